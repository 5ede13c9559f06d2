"""Arguments -> a command, and every error -> a message and an exit code."""

from __future__ import annotations

import os
import platform
import select
import sys
import tempfile
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from pacslab import __version__
from pacslab.cli import (
    certs,
    checks,
    conformance_statement,
    copy,
    doctor,
    down,
    drift,
    exec_,
    explain,
    images,
    init,
    lint,
    logs,
    matrix,
    mutate,
    plan,
    rules,
    schema,
    status,
    up,
    verify,
)
from pacslab.cli import map as map_
from pacslab.cli import run as run_
from pacslab.cli.output import say
from pacslab.errors import Exit, LabFileError, PacslabError


class _Commands(TyperGroup):
    """Typer would end on Ctrl-C without a word, and call it a failure when `head` has seen enough."""

    def invoke(self, ctx: Any) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            raise PacslabError("interrupted", exit_code=Exit.INTERRUPTED) from error
        except BrokenPipeError as error:
            if not _stdout_is_closed():
                raise PacslabError("a connection broke", hint="`pacslab doctor` checks the engine") from error
            # Keep Python from complaining again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from error
        return code


def _stdout_is_closed() -> bool:
    """Whether nobody reads what we print: then, and only then, a broken pipe is stdout's."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


app = typer.Typer(
    name="pacslab",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A zoned reference lab for hospital imaging networks: segment it, attack it, prove it. "
    "Synthetic patients only; no protection for a real network.",
)
app.command("init")(init.init)
app.command("lint")(lint.lint)
app.command("schema")(schema.schema)
app.command("plan")(plan.plan)
app.command("matrix")(matrix.matrix)
app.command("map")(map_.map_)
app.command("conformance-statement")(conformance_statement.conformance_statement)
app.command("rules")(rules.rules)
app.command("explain")(explain.explain)
app.add_typer(images.app, name="images")
app.command("up")(up.up)
app.command("status")(status.status)
app.command("exec", context_settings={"allow_interspersed_args": False})(exec_.exec_)
app.add_typer(certs.app, name="certs")
app.command("copy")(copy.copy)
app.command("logs")(logs.logs)
app.command("run")(run_.run)
app.command("verify")(verify.verify)
app.command("checks")(checks.checks)
app.command("drift")(drift.drift)
app.command("mutate")(mutate.mutate)
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
    except Exception as error:  # noqa: BLE001 - the last resort: anything else is a bug of ours
        return _bug(error, arguments)


def _bug(error: Exception, arguments: list[str]) -> int:
    """Say little, write all that is needed to find it into a file."""
    lines = [
        f"pacslab {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {arguments}",
        "",
        *traceback.format_exception(error),
    ]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="pacslab-bug-", suffix=".log", delete=False) as log:
        log.write("\n".join(lines) + "\n")
    say(f"pacslab: a bug in pacslab: {type(error).__name__}: {error}")
    say(f"  hint: please report it with the file {log.name}")
    return Exit.BUG
