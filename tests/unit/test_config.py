"""The configuration: where values come from, what is allowed, and what is said of the rest."""

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import tomli_w
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.commands.settings import load
from mlpcli.config import LEARNING_RATES, Config, allowed, every_key, to_toml
from mlpcli.errors import ConfigError
from mlpcli.layers import with_values

KEYS = dict(every_key())
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
OTHER = {  # for each key a value, in TOML, that is not its default
    "recipe": '"plain"',
    "seed": "7",
    "data.source": '"rows [1].csv"',
    "data.target": '"label"',
    "data.header": "false",
    "data.ignore": '["id", -1]',
    "data.categorical": '[3, "month"]',
    "data.missing": '["", "none"]',
    "data.decimal": '","',
    "data.weight": "-2",
    "data.validation": '"checked.csv"',
    "data.test": "0.25",
    "data.scaling": '"none"',
    "data.bins": "16",
    "data.rare": "5",
    "network.hidden": "9",
    "network.activation": '"tanh"',
    "network.dropout": "0.25",
    "network.input_dropout": "0.3",
    "network.l2": "1e-4",
    "network.max_norm": "2.5",
    "network.initial": '"normal"',
    "optimizer.name": '"adam"',
    "optimizer.lr": "0.3",
    "optimizer.schedule": '"linear"',
    "optimizer.warmup_epochs": "1.5",
    "optimizer.momentum": "0.8",
    "optimizer.nesterov": "false",
    "optimizer.beta1": "0.8",
    "optimizer.beta2": "0.99",
    "optimizer.epsilon": "1e-6",
    "optimizer.weight_decay": "0.01",
    "training.epochs": "3",
    "training.batch_size": "64",
    "training.checkpoint_seconds": "0.5",
    "training.threads": "2",
    "training.label_smoothing": "0.1",
    "training.class_weight": '{"spam [1]" = 2.5, ham = 0.0}',
    "training.patience": "4",
}


def value_of(config: Config, key: str) -> Any:
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def from_toml(folder: Path, text: str) -> Config:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, [])


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        from_toml(folder, text)
    return str(error.value)


# The keys


@pytest.mark.parametrize("key", KEYS)
def test_every_key_says_what_it_is_and_what_it_takes(key: str) -> None:
    assert len(KEYS[key].description or "") > 0
    assert allowed(KEYS[key]).startswith(("a ", "one of ", "auto, or ", "true or false"))


def test_others_rely_on_these_defaults() -> None:
    config = Config()
    assert (config.seed, config.data.source, config.data.test, config.data.validation) == (
        0,
        "digits",
        0.2,
        0.1,
    )
    assert (config.data.scaling, config.training.patience) == ("auto", 0)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set_written_and_read_again(key: str, tmp_path: Path) -> None:
    config = load(None, {}, [f"{key}={OTHER[key]}"])
    assert value_of(config, key) == tomllib.loads(f"value = {OTHER[key]}")["value"]
    assert value_of(config, key) != value_of(Config(), key)
    assert from_toml(tmp_path, to_toml(config)) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configurations_that_come_with_the_program_are_valid(path: Path) -> None:
    assert load(path, {}, []) != Config(seed=1)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 1  # type: ignore[misc]


# Defaults <- file <- flags <- --set


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        "seed = 1\n[network]\nhidden = 10\ndropout = 0.1\n[training]\nepochs = 3\n",
        encoding="utf-8",
    )
    config = load(path, {"network.hidden": 20, "network.dropout": 0.2}, ["network.dropout=0.3"])
    assert (config.seed, config.training.epochs) == (1, 3)
    assert (config.network.hidden, config.network.dropout) == (20, 0.3)
    assert config.training.batch_size == Config().training.batch_size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mnist", "mnist"),
        ('"mnist"', "mnist"),
        (" 'a b.csv' ", "a b.csv"),
        ("a=b.csv", "a=b.csv"),
        ("openml:iris@1", "openml:iris@1"),
        ("/a/b [1].csv", "/a/b [1].csv"),
        ("x\nseed = 3", "x\nseed = 3"),
        ('"x"\nseed = 3', '"x"\nseed = 3'),
        ('"' + "[" * 9_999, '"' + "[" * 9_999),
    ],
)
def test_a_set_value_is_toml_or_else_a_text(text: str, value: str) -> None:
    config = load(None, {}, [f"data.source={text}"])
    assert (config.data.source, config.seed) == (value, 0)


def test_a_set_key_may_have_spaces_around_it_and_the_last_one_wins() -> None:
    assert load(None, {}, ["seed=1", " seed = 2"]).seed == 2


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_each_optimizer_has_its_own_default_learning_rate(name: str, tmp_path: Path) -> None:
    assert load(None, {"optimizer.name": name}, []).optimizer.lr == LEARNING_RATES[name]
    assert (
        from_toml(tmp_path, f'optimizer = {{name = "{name}"}}').optimizer.lr == LEARNING_RATES[name]
    )
    assert from_toml(tmp_path, f'optimizer = {{name = "{name}", lr = 7}}').optimizer.lr == 7


def test_a_flag_for_another_optimizer_takes_that_ones_rate_and_not_the_files(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[optimizer]\nname = "adam"\n', encoding="utf-8")
    assert load(path, {"optimizer.name": "sgd"}, []).optimizer.lr == LEARNING_RATES["sgd"]
    path.write_text('[optimizer]\nname = "adam"\nlr = 0.5\n', encoding="utf-8")
    assert load(path, {"optimizer.name": "adam"}, []).optimizer.lr == 0.5
    assert load(path, {"optimizer.name": "sgd"}, []).optimizer.lr == LEARNING_RATES["sgd"]
    assert load(path, {"optimizer.name": "sgd", "optimizer.lr": 0.3}, []).optimizer.lr == 0.3
    path.write_text("[optimizer]\nlr = 0.5\n", encoding="utf-8")
    assert load(path, {"optimizer.name": "momentum"}, []).optimizer.lr == 0.5


def test_values_can_be_replaced_in_a_configuration() -> None:
    config = with_values(Config(seed=3), {"data.source": "/x.csv", "data.scaling": "unit"})
    assert (config.seed, config.data.source, config.data.scaling) == (3, "/x.csv", "unit")
    with pytest.raises(ConfigError, match="hidden = 0 is refused; it must be a whole number"):
        with_values(config, {"network.hidden": 0})


# What is refused


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("network.hiden", "network.hidden"),
        ("netwrok.hidden", "network.hidden"),
        ("hidden", "network.hidden"),
        ("lr", "optimizer.lr"),
        ("optimiser.lr", "optimizer.lr"),
        ("training.batchsize", "training.batch_size"),
        ("optimizer.batch_size", "training.batch_size"),
        ("Seed", "seed"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
    key: str, meant: str, tmp_path: Path
) -> None:
    said = f"the key {key!r} is unknown. Did you mean {meant}?"
    assert refusal(tmp_path, f"{key} = 1") == f"{tmp_path / 'settings.toml'}: {said}"
    with pytest.raises(ConfigError) as error:
        load(None, {}, [f"{key}=1"])
    assert str(error.value) == f"--set: {said}"


@pytest.mark.parametrize(
    "text", ["zzz = 1", "[zzz]", "'' = 1", "[network.zzzz]", '"\\u001b[1mzz" = 1']
)
def test_an_unknown_key_like_no_other_gets_the_list_of_all(text: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, text)
    assert "is unknown" in said
    assert said.endswith(f"The keys are {', '.join(KEYS)}.")
    assert said.isprintable()


@pytest.mark.parametrize(
    ("key", "value", "must"),
    [
        ("seed", "-1", "a whole number, at least 0"),
        ("seed", str(2**63), "below 9,223,372,036,854,775,808"),
        ("seed", "true", "a whole number"),
        ("seed", "1.0", "a whole number"),
        ("seed", "1979-05-27", "a whole number"),
        ("data.source", "3", "a text"),
        ("data.source", '""', "not empty"),
        ("data.validation", "-0.1", "at least 0, below 1"),
        ("data.validation", "1.0", "at least 0, below 1"),
        ("data.test", "0", "above 0, below 1"),
        ("data.target", "1.5", "a text, or a whole number"),
        ("data.header", '"yes"', "auto, or true or false"),
        ("data.ignore", "[1.5]", "a list, each a text, or a whole number"),
        ("data.missing", "[0]", "a list, each a text"),
        ("data.decimal", '";"', "one of '.', ','"),
        ("data.bins", "-1", "at least 0"),
        ("data.rare", "0", "at least 1"),
        ("network.initial", '"zeros"', "one of uniform, normal"),
        ("training.label_smoothing", "1.0", "at least 0, below 1"),
        ("training.class_weight", "{ham = -1.0}", "a table, each value a number, at least 0"),
        ("training.class_weight", '"even"', "one of none, balanced"),
        ("recipe", '"trees"', "one of auto, images, tables, plain"),
        ("data.test", '""', "not empty"),
        ("data.test", "[0.1]", "or a text"),
        ("data.test", "false", "a number"),
        ("data.scaling", '"minmax"', "one of auto, none, unit, standard"),
        ("network.hidden", "0", "at least 1"),
        ("network.hidden", "99_999_999", "at most 16,777,216"),
        ("network.hidden", "true", "a whole number"),
        ("network.hidden", '"8"', "a whole number"),
        ("network.hidden", "8.5", "a whole number"),
        ("network.activation", '"swish"', "one of relu, tanh, logistic, identity"),
        ("network.dropout", "1", "at least 0, below 1"),
        ("network.dropout", "-0.1", "at least 0, below 1"),
        ("network.dropout", "nan", "a number"),
        ("network.dropout", "true", "a number"),
        ("network.l2", "inf", "a number, at least 0"),
        ("network.l2", "1e999", "a number, at least 0"),
        ("network.l2", "1" + "0" * 400, "a number, at least 0"),
        ("optimizer.name", '"rmsprop"', "one of sgd, momentum, adam"),
        ("optimizer.name", '["sgd"]', "one of sgd, momentum, adam"),
        ("optimizer.lr", "0.0", "a number, above 0"),
        ("optimizer.lr", "-inf", "a number, above 0"),
        ("optimizer.nesterov", "1", "true or false"),
        ("optimizer.warmup_epochs", "1e308", "at most 16,777,216"),
        ("training.epochs", "0", "at least 1"),
        ("training.epochs", "1e3", "a whole number"),
        ("training.batch_size", "0", "at least 1"),
        ("training.patience", "-1", "at least 0"),
    ],
)
def test_a_value_that_may_not_be_is_refused_with_all_that_is_known_of_it(
    key: str, value: str, must: str, tmp_path: Path
) -> None:
    section, _, name = key.rpartition(".")
    said = refusal(tmp_path, (f"[{section}]\n" if section else "") + f"{name} = {value}")
    assert said.startswith(f"{tmp_path / 'settings.toml'}: {key} = ")
    assert must in said.partition(" is refused; it must be ")[2]
    with pytest.raises(ConfigError, match=f"^--set: {key} = "):
        load(None, {}, [f"{key}={value}"])


@pytest.mark.parametrize(
    ("key", "value", "flag"),
    [
        ("data.source", "", "--data"),
        ("optimizer.name", "x", "--optimizer"),
        ("optimizer.lr", float("nan"), "--lr"),
        ("training.batch_size", 0, "--batch-size"),
        ("seed", -1, "--seed"),
    ],
)
def test_a_bad_flag_is_called_by_its_own_name(key: str, value: Any, flag: str) -> None:
    with pytest.raises(ConfigError, match=f"^{flag}: {key} = {json.dumps(value)} is refused"):
        load(None, {key: value}, [])


def test_a_number_too_long_to_print_is_refused_all_the_same(tmp_path: Path) -> None:
    assert "seed = a number of thousands of digits is refused" in refusal(
        tmp_path, "seed = 0x" + "f" * 9_999
    )
    with pytest.raises(ConfigError, match="seed"):
        load(None, {}, ["seed=" + "9" * 9_999])


@pytest.mark.parametrize("text", ["network = 3", "network = [1]", 'network = "x"'])
def test_a_section_that_is_a_value_is_refused_with_its_keys(text: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, text)
    assert (
        "network is a section, not a setting. Its keys are network.hidden, network.activation, "
        in said
    )
    with pytest.raises(ConfigError, match="--set: network is a section"):
        load(None, {}, [text])


@pytest.mark.parametrize("text", ["[network.hidden]\nx = 1", "[seed]\nx = 1", "data.source.x = 1"])
def test_a_setting_that_is_a_section_is_refused(text: str, tmp_path: Path) -> None:
    assert " is unknown. Did you mean " in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["[network.hidden]", "[seed]", "data.source = {}"])
def test_a_setting_that_is_an_empty_section_is_refused(text: str, tmp_path: Path) -> None:
    assert " = {} is refused; it must be a " in refusal(tmp_path, text)


def test_an_empty_section_and_an_empty_file_are_the_defaults(tmp_path: Path) -> None:
    assert from_toml(tmp_path, "[data]\n[network]\n") == from_toml(tmp_path, "") == Config()


@pytest.mark.parametrize("text", ["network.hidden", "hidden 3", ""])
def test_a_set_without_an_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"^--set {text}: has no '='. Write it as KEY=VALUE"):
        load(None, {}, [text])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed = ", "is not a TOML file: Invalid value"),
        (b"seed = 1\nseed = 2", "is not a TOML file: .*overwrite"),
        (b"\xff\xfe", "is not UTF-8 text .*utf-8"),
        (b"\0", "is not a TOML file"),
        (b"seed = " + b"9" * 9_999, "is not a TOML file: .*digits"),
        (b"seed = " + b"[" * 9_999, "is not a TOML file"),
        (b"a." * 2_000 + b"a = 1", "is not a TOML file|is unknown"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"settings.toml: .*({said})"):
        load(path, {}, [])


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert from_toml(tmp_path, "\ufeffseed = 3\r\n").seed == 3


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml: there is no such configuration file\.$"):
        load(tmp_path / "no.toml", {}, [])
    with pytest.raises(
        ConfigError, match=r"is a folder, where a file is needed\. To train on a data"
    ):
        load(tmp_path, {}, [])
    with pytest.raises(ConfigError, match=r"x\.toml: there is no such configuration file\.$"):
        load(Path("x" * 999 + ".toml"), {}, [])


@pytest.mark.parametrize("name", ["digits", "mnist", "rows.csv"])
def test_a_data_set_in_the_place_of_a_configuration_gets_a_hint(name: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2,3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"To train on a data set, write --data .*{name}"):
        load(tmp_path / name, {}, [])


# Whatever comes


def values(kind: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    """Every value that a key of this type and bounds may have."""
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is Annotated:
        return values(get_args(kind)[0], list(get_args(kind)[1].metadata))
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0], []), max_size=4)
    if get_origin(kind) is dict:
        return st.dictionaries(st.text(st.characters(codec="utf-8")), st.floats(0, 9), max_size=4)
    if get_args(kind):
        return st.one_of([values(part, []) for part in get_args(kind)])
    least: list[Any] = [
        m.ge if isinstance(m, Ge) else m.gt for m in metadata if isinstance(m, Ge | Gt)
    ]
    most: list[Any] = [
        m.le if isinstance(m, Le) else m.lt for m in metadata if isinstance(m, Le | Lt)
    ]
    if kind is int:
        return st.integers(least[0] if least else None, most[0] - 1 if most else None)
    if kind is float:
        return st.floats(
            least[0],
            most[0] if most else None,
            allow_nan=False,
            allow_infinity=False,
            exclude_min=any(isinstance(m, Gt) for m in metadata),
            exclude_max=bool(most),
        )
    return st.booleans() if kind is bool else st.text(st.characters(codec="utf-8"), min_size=1)


some_settings = st.fixed_dictionaries(
    {}, optional={key: values(f.annotation, f.metadata) for key, f in KEYS.items()}
)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
toml_like = json_like.filter(lambda value: "null" not in json.dumps(value))
near_keys = st.sampled_from([*KEYS, "data", "network", "optimizer.lr.x"]) | st.text()


@given(settings=some_settings)
def test_every_valid_configuration_survives_writing_and_reading(
    settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = load(None, settings, [])
    assert all(value_of(config, key) == value for key, value in settings.items())
    assert from_toml(tmp_path_factory.getbasetemp(), to_toml(config)) == config


def loads_or_is_refused(file: Path | None, flags: dict[str, Any], sets: list[str]) -> None:
    """Nothing but a Config or a ConfigError comes of it."""
    with suppress(ConfigError):
        assert isinstance(load(file, flags, sets), Config)


@given(text=st.text() | st.dictionaries(near_keys, toml_like, max_size=4).map(tomli_w.dumps))
def test_whatever_stands_in_the_file_it_is_read_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.toml"
    path.write_text(text, encoding="utf-8")
    loads_or_is_refused(path, {}, [])


@given(key=near_keys, value=json_like)
def test_whatever_stands_on_the_command_line_it_is_read_or_refused(key: str, value: Any) -> None:
    loads_or_is_refused(None, {}, [f"{key}={value}"])
    if key in KEYS:
        loads_or_is_refused(None, {key: value}, [])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("network.dropout=.5", "In TOML, write 0.5."),
        ("optimizer.nesterov=True", "In TOML, write true."),
        ("data.target=2020.5", "Write --set 'data.target=\"2020.5\"' for that text."),
        ("data.source=2020", "Write --set 'data.source=\"2020\"' for that text."),
    ],
)
def test_a_value_that_toml_takes_for_another_type_gets_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {}, [text])
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(("text", "place"), [("2020", 2020), ("-1", -1), ('"2020"', "2020")])
def test_a_whole_number_is_a_column_s_place_and_a_text_is_its_name(
    text: str, place: str | int
) -> None:
    assert load(None, {}, [f"data.target={text}"]).data.target == place
    assert load(None, {}, [f"data.ignore=[{text}]"]).data.ignore == [place]
    assert load(None, {}, [f"data.ignore={text}"]).data.ignore == [place]


def test_the_weights_of_classes_are_a_section_of_a_file_or_a_table(tmp_path: Path) -> None:
    given = from_toml(tmp_path, '[training.class_weight]\n"a.b" = 2.0\nc = 0.5')
    assert given.training.class_weight == {"a.b": 2.0, "c": 0.5}
    assert load(None, {}, ['training.class_weight={"a.b" = 2.0, c = 0.5}']) == given


def test_a_run_folder_in_place_of_a_configuration_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    with pytest.raises(ConfigError, match=r"To replay that run, write .*config\.toml$"):
        load(tmp_path, {}, [])
