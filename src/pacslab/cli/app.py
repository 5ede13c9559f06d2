"""Arguments -> a command, and every error -> a message and an exit code."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from pacslab import __version__
from pacslab.cli import (
    doctor,
    down,
    drift,
    exec_,
    explain,
    images,
    lint,
    logs,
    plan,
    rules,
    status,
    up,
    verify,
)
from pacslab.cli.output import say
from pacslab.errors import Exit, LabFileError, PacslabError

app = typer.Typer(
    name="pacslab",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A zoned reference lab for hospital imaging networks: segment it, attack it, prove it. "
    "Synthetic patients only; no protection for a real network.",
)
app.command("lint")(lint.lint)
app.command("plan")(plan.plan)
app.command("rules")(rules.rules)
app.command("explain")(explain.explain)
app.add_typer(images.app, name="images")
app.command("up")(up.up)
app.command("status")(status.status)
app.command("exec", context_settings={"allow_interspersed_args": False})(exec_.exec_)
app.command("logs")(logs.logs)
app.command("verify")(verify.verify)
app.command("drift")(drift.drift)
app.command("down")(down.down)
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        print(f"pacslab {__version__}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def _root(*, version: VersionOption = False) -> None:
    """Nothing is done before a command is chosen."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; every error becomes a message on stderr and an exit code (ARCHITECTURE 5)."""
    try:
        code = app(arguments, prog_name="pacslab", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except LabFileError as error:
        for diagnostic in error.diagnostics:
            say(str(diagnostic))
        say(f"pacslab: {error.message}")
        return error.exit_code
    except PacslabError as error:
        say(f"pacslab: {error.message}")
        if error.hint:
            say(f"  hint: {error.hint}")
        return error.exit_code
    except TyperException as error:
        say(f"pacslab: {error}")
        say("  hint: see `pacslab --help` or `pacslab COMMAND --help`")
        return Exit.USAGE
    except (KeyboardInterrupt, Abort):
        say("pacslab: interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Somebody's `head` has seen enough; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 - the last resort: anything else is a bug of ours
        return _bug(error, arguments)


def _bug(error: Exception, arguments: list[str]) -> int:
    """Say little, write all that is needed to find it into a file."""
    log = Path(tempfile.gettempdir()) / f"pacslab-bug-{os.getpid()}.log"
    lines = [
        f"pacslab {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {arguments}",
        "",
        *traceback.format_exception(error),
    ]
    log.write_text("\n".join(lines), encoding="utf-8")
    say(f"pacslab: a bug in pacslab: {type(error).__name__}: {error}")
    say(f"  hint: please report it with the file {log}")
    return Exit.BUG
