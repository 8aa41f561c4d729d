"""What a child process prints: passed on as it comes, and escaped."""

import subprocess
import sys
import time

import pytest

from mlpcli.gradcheck.relay import wait_and_relay

Capture = pytest.CaptureFixture[str]


def run(script: str, timeout: float = 20) -> int:
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        return wait_and_relay(child, timeout)
    finally:
        child.kill()
        child.wait()
        assert child.stdout
        child.stdout.close()


def test_text_is_passed_on_and_the_exit_code_returned(capsys: Capture) -> None:
    script = "import sys; print('né☃\\ta'); print('b', file=sys.stderr); sys.exit(3)"
    assert run(script) == 3
    assert capsys.readouterr().err == "né☃\ta\nb\n"


def test_what_would_act_on_a_terminal_is_escaped(capsys: Capture) -> None:
    script = r"import os; os.write(1, b'a\x1b]52;c;aGk=\x07b\r\n\xc2\x9b31m\xff\xe2\x80\xae')"
    assert run(script) == 0
    assert capsys.readouterr().err == r"a\x1b]52;c;aGk=\x07b\r" + "\n" + r"\x9b31m\xff\u202e" "\n"


def test_a_character_in_two_pieces_is_one(capsys: Capture) -> None:
    script = (
        "import os, time\nfor b in '☃\\u009b'.encode(): os.write(1, bytes([b])); time.sleep(.02)"
    )
    assert run(script) == 0
    assert capsys.readouterr().err == "☃\\x9b\n"


def test_a_long_output_is_passed_on_whole(capsys: Capture) -> None:
    assert run("print('so' * 1_000_000)") == 0
    assert capsys.readouterr().err == "so" * 1_000_000 + "\n"


def test_nothing_printed_is_nothing_passed_on(capsys: Capture) -> None:
    assert run("pass") == 0
    assert capsys.readouterr().err == ""


def test_output_is_passed_on_while_the_child_runs(capsys: Capture) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run("import time; print('before'); time.sleep(60)", timeout=1)
    assert capsys.readouterr().err == "before\n"


def test_a_child_that_prints_without_end_is_stopped_in_time(capsys: Capture) -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run("while True: print('x' * 999)", timeout=0.5)
    assert time.monotonic() - began < 5
    assert set(capsys.readouterr().err) <= {"x", "\n"}


@pytest.mark.parametrize("closing", ["os.close(1); os.close(2)", "pass"])
def test_a_child_that_closes_its_output_is_waited_for(closing: str, capsys: Capture) -> None:
    assert run(f"import os, time; {closing}; time.sleep(0.3); os._exit(4)") == 4
    assert capsys.readouterr().err == ""


def test_a_process_that_the_child_leaves_behind_is_not_waited_for(capsys: Capture) -> None:
    script = "import os, time\nif os.fork() == 0: time.sleep(3); os._exit(0)\nprint('done')"
    began = time.monotonic()
    assert run(script) == 0
    assert time.monotonic() - began < 2.5
    assert capsys.readouterr().err == "done\n"


def test_without_stderr_the_output_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert run("print('x')") == 0
