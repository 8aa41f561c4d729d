"""How this program was started: what to type to start it again, in the same folder and shell."""

import os
import shlex
import shutil
import sys

from mlpcli.messages import printable

NAME = "mlpcli"


def command_line(*words: object) -> str:
    """A line that starts this very installation with these words, quoted for a shell.

    It runs as it is printed whether or not the environment of the installation is active.
    """
    return " ".join([_program(), *(quoted(str(word)) for word in words)])


def path_word(path: object) -> str:
    """A path as a word of a command, which no leading dash turns into a flag."""
    text = str(path)
    if text.startswith("-"):
        return os.path.join(os.curdir, text)
    return text


def quoted(text: str) -> str:
    """One word for a shell, without a sign that acts on a terminal: a shell reads those in $'…'."""
    if printable(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(sign: str) -> str:
    if sign in "'\\":
        return "\\" + sign
    if printable(sign) == sign:
        return sign
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(sign))


def _program() -> str:
    """What starts this installation: its name, its path, or `python -m mlpcli`."""
    started = sys.argv[0]
    folder, file = os.path.split(started)
    if file == "__main__.py" and os.path.basename(folder) == NAME:
        python = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
        return shlex.join(python)
    if file != NAME or not os.path.isfile(started):
        return NAME  # in a process that has another program's name, as a test's
    found = shutil.which(NAME)
    if found and os.path.samefile(found, started):
        return NAME
    return quoted(_from_here(started))


def _from_here(program: str) -> str:
    """The path of a program, relative if it is below the current folder."""
    path = os.path.relpath(program)
    if path.startswith(os.pardir):
        return os.path.abspath(program)
    if os.sep not in path:
        return os.path.join(os.curdir, path)
    return path
