"""The errors of mlpcli, each a sentence for a person, and the exit codes of the command."""

from pathlib import Path

# Exit codes; 0 is success.
NOT_GOOD_ENOUGH = 1  # a gradient is wrong, or an accuracy too low
UNUSABLE = 2  # a flag, a setting, a data set or a file is not usable
DIVERGED = 3
INTERRUPTED = 130  # by Ctrl-C, as a shell reports SIGINT
BROKEN_PIPE = 141  # as a shell reports SIGPIPE
TERMINATED = 143  # as a shell reports SIGTERM


class MlpcliError(Exception):
    """A sentence for a person: what is wrong, where, and what to do about it.

    More arguments are lines that follow it, as those of a traceback.
    """

    exit_code = UNUSABLE

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """The sentence, and the lines that follow it."""
        return [str(argument) for argument in self.args]


class UnreadableFileError(MlpcliError):
    """A file is not what its reader needs; a caller that knows its role raises its own error.

    `problem` is a clause without a full stop, as "is not a whole .npz file"; `advice` is a sentence
    or "".
    """

    def __init__(self, path: Path, problem: str, advice: str = "") -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    @property
    def lines(self) -> list[str]:
        """The sentence."""
        return [f"{self.path}: {self.problem}. {self.advice}".rstrip()]


class ConfigError(MlpcliError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(MlpcliError):
    """A data set cannot be read, or cannot be learnt from."""


class ModelError(MlpcliError):
    """A model file cannot be read, or does not fit the data."""


class OutputError(MlpcliError):
    """A file or folder cannot be written."""


class DivergedError(MlpcliError):
    """Training left the finite numbers, or its loss grew beyond all use."""

    exit_code = DIVERGED


class CheckError(MlpcliError):
    """A gradient cannot be checked: the file cannot be run, or the check would prove nothing."""


class WorkerError(MlpcliError):
    """A process that trains some of the hidden units ended before its time."""


class StdoutError(Exception):
    """Stdout takes no more: its reader has gone, its disk is full, its terminal is closed.

    No MlpcliError and no OSError, so that nothing takes it for a failure of the work itself.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.exit_code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else UNUSABLE
        self.reason = error.strerror or str(error)


class StoppedAtOnce(BaseException):
    """A signal ends the command at once; no Exception, so that nothing takes it for a failure."""

    def __init__(self, exit_code: int, sentence: str = "stopped.") -> None:
        super().__init__(exit_code, sentence)
        self.exit_code = exit_code
        self.sentence = sentence
