"""Signals: the first one is a reason to stop after the minibatch; the second ends at once."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from mlpcli.errors import INTERRUPTED, TERMINATED, StoppedAtOnce
from mlpcli.messages import Notify
from mlpcli.training.events import Event, StopReason

REASONS: dict[int, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated",
}
EXIT_CODES: dict[StopReason, int] = {"interrupted": INTERRUPTED, "terminated": TERMINATED}
STOPPING = "Stopping after this minibatch, and saving. Press Ctrl-C again to stop at once."
SAME_ACT = 0.25  # seconds: `timeout` and some shells send a signal twice at once


class Signals:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a reason to stop.

    The second Ctrl-C or SIGTERM raises StoppedAtOnce, the third one ends the process at once. A
    closed window sends SIGHUP more than once, so that one never counts as the second. A context
    manager: inside it, signals are caught; after it, they do what they did before. A signal that
    the process was started to ignore stays ignored.

    `before_notify` is called in the handler of the first signal, and again before the message:
    it is to let go of an output that takes nothing, for which training would wait for ever.
    """

    def __init__(self, notify: Notify, before_notify: Callable[[], object] = lambda: None) -> None:
        self.notify = notify
        self.before_notify = before_notify
        self.reason: StopReason | None = None
        self.caught = 0.0  # time of the first signal
        self.announced = False
        self.handlers: dict[int, Any] = {}  # those before, by signal

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in REASONS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self.handlers[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def __call__(self, event: Event) -> StopReason | None:
        """The reason to stop, once a signal has come.

        The message is written here, since a signal handler must not print.
        """
        if self.reason and not self.announced:
            self.announced = True
            self.before_notify()
            self.notify(STOPPING)
        return self.reason

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.reason is None:
            self.reason = REASONS[number]
            self.caught = time.monotonic()
            self.before_notify()
        elif number != signal.SIGHUP and time.monotonic() - self.caught > SAME_ACT:
            for each in self.handlers:
                signal.signal(each, signal.SIG_DFL)
            raise StoppedAtOnce(EXIT_CODES[REASONS[number]])
