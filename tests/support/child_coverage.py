"""The coverage of child processes: measured for the tests that ask, since it is slow."""

import os
from typing import NoReturn

import pytest
from coverage import Coverage

VARIABLES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
EXIT = os._exit


class ChildCoverage:
    """Coverage of the processes that this one starts or forks: off, until it is switched on.

    With it, a process takes twice as long to start, and ten times as long to fork.
    """

    def __init__(self) -> None:
        self.variables = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}

    def switch_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Measure processes that are started, and those that are forked and end by os._exit."""
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        if self.variables:
            monkeypatch.setattr(os, "_exit", _saving_exit)


def _saving_exit(status: int) -> NoReturn:
    """End a forked process as os._exit does, after its coverage was saved."""
    current = Coverage.current()
    if current:
        current.save()
    EXIT(status)
