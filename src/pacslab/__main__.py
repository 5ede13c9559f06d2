"""`pacslab`, `python -m pacslab`: the command line, interruptible from its first moment."""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        # Imported here: the engine's and the reports' libraries take half a second, in which Ctrl-C may come.
        from pacslab.cli.app import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        print("pacslab: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
