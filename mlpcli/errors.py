"""What can go wrong, said in sentences; each kind knows the exit code it ends the command with."""


class MlpcliError(Exception):
    """A whole sentence for a person: what is wrong, where, and what to do about it."""

    exit_code = 2


class ConfigError(MlpcliError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(MlpcliError):
    """A data set cannot be read, or cannot be learnt from."""


class ModelError(MlpcliError):
    """A model file cannot be read, or does not fit the data."""


class OutputError(MlpcliError):
    """A file or folder cannot be written."""


class DivergedError(MlpcliError):
    """Training left the finite numbers, or the loss grew beyond all use."""

    exit_code = 3


class CheckError(MlpcliError):
    """A gradient could not be checked: the file cannot be run, or the check would prove nothing."""


class WorkerError(MlpcliError):
    """A process that trains some of the hidden units has ended before its time."""
