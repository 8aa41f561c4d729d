"""A fuzzer for every loader: a damaged or malicious file must end in a sentence, and nothing else.

    python -m tests.reliability.fuzz [N] [--only LOADER] [--seed S]    N inputs a loader (100,000)
    python -m tests.reliability.fuzz damage [N]    N changed bits and bytes, and every cut

Inputs are mutations of valid files and of those kept in tests/reliability/seeds; an input that is
refused in words not seen before is mutated further. What a loader must not do (another error, a
warning, a sentence that does not name the file, over 2 s of processor time or 256 MiB) is written
to tests/reliability/seeds, and tried again by every test run.
"""

import argparse
import hashlib
import re
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import FrameType

from mlpcli.errors import MlpcliError
from tests.support.corruption import report_damage
from tests.support.loaders import LOADERS, Loader

SEEDS = Path(__file__).parent / "seeds"
SECONDS = 2  # of processor time, for one input
MEMORY = 256 * 2**20  # bytes beyond those of the start
LINUX = sys.platform == "linux"  # elsewhere a process's memory cannot be limited
MAX_STARTS = 500  # inputs that others are made from
LARGEST = 2**17  # bytes of an input
PARTICULARS = re.compile(
    r"""'[^']*'|"[^"]*"|\(\S*\)|first line is .*|0x\w+|\b[0-9a-f]{2}\b|[\d,.]+""", re.DOTALL
)


class TooSlow(BaseException):
    """An input takes too long; as a BaseException it is not caught by `except Exception`."""


@dataclass(frozen=True)
class Answer:
    """What a loader did with an input, in words, and whether it must not do that."""

    text: str
    is_wrong: bool


@dataclass
class Campaign:
    """What came of one loader's inputs.

    `forms` are the answers without their particulars; `found` has each wrong input's answer.
    """

    n_inputs: int = 0
    forms: set[str] = field(default_factory=set)
    found: dict[bytes, str] = field(default_factory=dict)


def fuzz(loader: Loader, count: int, seed: int, kept: list[bytes]) -> Campaign:
    """Read the valid inputs, those kept, and `count` mutations of them."""
    campaign, rng = Campaign(), Random(seed)
    with tempfile.TemporaryDirectory() as name, _limits():
        folder = Path(name)
        starts = [*loader.valid(folder), *kept]
        for content in starts:
            _try(loader, folder, content, campaign)
        for _ in range(count):
            content = _mutated(loader, rng.choice(starts), rng)
            is_new = _try(loader, folder, content, campaign)
            if is_new and len(starts) < MAX_STARTS:
                starts.append(content)
    return campaign


def _mutated(loader: Loader, content: bytes, rng: Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        mutate = rng.choice(loader.mutations)
        content = mutate(content, rng)[:LARGEST]
    return content


def _try(loader: Loader, folder: Path, content: bytes, campaign: Campaign) -> bool:
    """Read one input; returns whether its answer is new."""
    answer = read(loader, folder, content)
    form = PARTICULARS.sub("", answer.text.replace(str(folder), ""))[:80]
    is_new = form not in campaign.forms
    campaign.n_inputs += 1
    campaign.forms.add(form)
    if answer.is_wrong and is_new:
        campaign.found[content] = answer.text
    return is_new


def read(loader: Loader, folder: Path, content: bytes) -> Answer:
    """Read one input within the limits."""
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = loader.read(folder, content)
    except MlpcliError as error:
        text = str(error)
        return Answer(text, is_wrong=str(folder) not in text or text[-1] not in ".?")
    except (Exception, TooSlow) as error:
        return Answer(f"{type(error).__name__}: {error}", is_wrong=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Answer(f"read: {type(result).__name__}", is_wrong=False)


@contextmanager
def _limits() -> Iterator[None]:
    """Limit time and memory, from now on, and hide warnings about the inputs that are made."""
    signal.signal(signal.SIGPROF, _too_slow)
    if LINUX:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"over {SECONDS} s")


def in_child(loader: str, count: int, seed: int) -> Campaign:
    """One loader's campaign, in a process of its own because of the limits."""
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        return pool.submit(_fuzz_named, loader, count, seed).result()


def _fuzz_named(name: str, count: int, seed: int) -> Campaign:
    return fuzz(LOADERS[name], count, seed, kept_inputs(name))


def kept_inputs(loader: str) -> list[bytes]:
    """The inputs that were found for a loader before."""
    return [path.read_bytes() for path in sorted(SEEDS.glob(f"{loader}-*"))]


def keep(loader: str, found: dict[bytes, str]) -> None:
    """Write what was found to the seeds, and print it."""
    for content, text in found.items():
        path = SEEDS / f"{loader}-{hashlib.sha256(content).hexdigest()[:12]}"
        path.write_bytes(content)
        print(f"{path}: {text}")


def main(words: list[str]) -> int:
    """Fuzz or damage, as the command line says; returns 1 if anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="[damage] [N]")
    parser.add_argument("--only", choices=LOADERS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    count = next((int(word) for word in given.words if word.isdigit()), None)
    if "damage" in given.words:
        return report_damage(count or 10_000, given.seed)
    names = [given.only] if given.only else list(LOADERS)
    return _fuzz_all(names, 100_000 if count is None else count, given.seed)


def _fuzz_all(names: list[str], count: int, seed: int) -> int:
    n_found = 0
    for name in names:
        campaign = in_child(name, count, seed)
        print(
            f"{name:<11}{campaign.n_inputs:>9,} inputs {len(campaign.forms):>5} answers "
            f"{len(campaign.found):>4} wrong"
        )
        keep(name, campaign.found)
        n_found += len(campaign.found)
    return int(n_found > 0)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
