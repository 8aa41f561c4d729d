"""The command `mlpcli`, which is `python -m mlpcli` too."""

import signal


def main() -> None:
    """Import the command line and run it.

    Ctrl-C meanwhile ends the process, where Python would show a traceback.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mlpcli.cli import startup

    startup.prepare()
    from mlpcli.cli import app as cli

    signal.signal(signal.SIGINT, before)
    cli.main()


if __name__ == "__main__":
    main()
