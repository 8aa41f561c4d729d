"""The coverage of child processes: measured for the tests that ask, since it is slow."""

import os
from typing import Any

from coverage import Coverage

VARIABLES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


class ChildCoverage:
    """Coverage of the processes that this one starts or forks; off until `variables` are set.

    A measured process takes twice as long to start, and a measured fork ten times as long.
    """

    def __init__(self) -> None:
        self.variables = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
        self.paused: list[Coverage] = []
        os.register_at_fork(before=self._pause, after_in_parent=self._resume)

    def _pause(self) -> None:
        """Stop measuring this process, if its child is not to be measured."""
        current: Any = Coverage.current()
        if current and not any(name in os.environ for name in VARIABLES):
            current.stop()
            self.paused.append(current)

    def _resume(self) -> None:
        """Go on measuring this process."""
        while self.paused:
            self.paused.pop().start()
