"""pacslab's own code -> the generated pages of docs/reference; `make docs` writes them, a test compares them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.cli.app import app
from pacslab.compiler.compile import compile_lab
from pacslab.errors import Exit
from pacslab.labfile.editors import FileKind, json_schema
from pacslab.labfile.load import load
from pacslab.labfile.reference import diagnostics, fill
from pacslab.model.verdict import Check
from pacslab.report.conformance import statement
from pacslab.report.conformance_text import document
from pacslab.report.document import markdown
from pacslab.report.schema import schema

REFERENCE = Path(__file__).parent / "reference"
WRITTEN_BY = "<!-- Written by `make docs` from the code; change the code, not this page. -->\n"


def main() -> int:
    """Write every generated page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(REFERENCE / name)
    return 0


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    zone_files = (REFERENCE / "zone-files.md").read_text(encoding="utf-8")
    return {
        "commands.md": _commands(),
        "checks.md": _checks(),
        "conformance-statement.md": _conformance_statement(),
        "zone-files.md": fill(zone_files),
        "diagnostics.md": _diagnostics(),
        **{f"{kind.value}.schema.json": _schema(json_schema(kind)) for kind in FileKind},
        "verify.schema.json": _schema(schema()),
        "reports.md": _reports((REFERENCE / "reports.md").read_text(encoding="utf-8")),
    }


def _commands() -> str:
    parts = [WRITTEN_BY, "# Commands\n", _INTRODUCTION, "## Exit codes\n", _exit_codes()]
    parts += [f"## {_title(words)}\n\n```\n{_help(words)}\n```\n" for words in ((), *_command_words())]
    return "\n".join(parts)


_INTRODUCTION = """\
`LAB` is the path of a lab file or, where a running lab is meant, its name. Messages and progress go to stderr; with
`--json` stdout holds one JSON document, with its `schema_version`, and nothing else. There are no colours or bars
without a terminal, and `NO_COLOR` is honoured.
"""


def _exit_codes() -> str:
    meanings = {
        Exit.DONE: "done; all verdicts pass",
        Exit.NO: "the answer is no: a verdict failed, a node is not healthy, something is missing",
        Exit.USAGE: "the command line, or the lab's files, have errors",
        Exit.REFUSED: "the world refused: Docker, files, images",
        Exit.INCONCLUSIVE: "inconclusive: some probe could not decide, none failed",
        Exit.BUG: "a bug in pacslab: a short message and a log file",
        Exit.INTERRUPTED: "interrupted, with what is left and how to remove it",
    }
    rows = [f"| {code.value} | {meanings[code]} |" for code in Exit]
    return "\n".join(["| exit | meaning |", "|---|---|", *rows, "", "`pacslab exec` passes on the command's own.", ""])


def _command_words() -> tuple[tuple[str, ...], ...]:
    words: list[tuple[str, ...]] = [(str(command.name),) for command in app.registered_commands]
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is not None:
            words += [(str(group.name), str(command.name)) for command in inner.registered_commands]
    return tuple(sorted(words))


def _title(words: tuple[str, ...]) -> str:
    return " ".join(("pacslab", *words))


def _help(words: tuple[str, ...]) -> str:
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "pacslab", *words, "--help"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def _checks() -> str:
    parts = [WRITTEN_BY, "# Checks\n", _OF_CHECKS]
    for suite in SUITES:
        found = [check for check in CATALOGUE if check.suite == suite]
        parts += [f"## Suite `{suite}`\n", *(_check(check) for check in found)]
    return "\n".join(parts)


_OF_CHECKS = """\
What `pacslab verify` checks, by suite; `pacslab checks` prints the same, `pacslab checks REACH-01` one of them. Ids are
stable and never used again for another check. [Reports](reports.md) name them, and lead here.
"""


def _check(check: Check) -> str:
    return f"### {check.id}\n\n{check.requirement}\n\nAnswers to {', '.join(check.references)}.\n"


def _conformance_statement() -> str:
    lab = load(REFERENCE.parents[1] / "lab" / "reference.yaml").lab
    return f"{WRITTEN_BY}\n{markdown(document(statement(compile_lab(lab))))}"


def _diagnostics() -> str:
    return f"{WRITTEN_BY}\n# Diagnostics\n\n{_OF_DIAGNOSTICS}\n{diagnostics()}"


_OF_DIAGNOSTICS = """\
What `pacslab lint` says of a lab's files, by code. A code never changes its meaning. Errors stop every command;
warnings are for the people who review the policy. `--json` and `--sarif` say the same for programs.

A lab is read in stages: the lab file, its zone files, the names in them, and the policy as a whole. All problems of
the first stage that fails are said at once, in the order of their places.
"""


def _reports(page: str) -> str:
    """The examples are the golden files that the tests compare with what is written."""
    return _EXAMPLE.sub(lambda found: f"{found[1]}\n{_example(found[2])}", page)


_EXAMPLE = re.compile(r"(<!-- example: (\S+) -->)\n(?:\n```.*?\n```\n)?", re.DOTALL)
_GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


def _example(name: str) -> str:
    text = (_GOLDEN / name).read_text(encoding="utf-8")
    if name.endswith(".json"):
        document = json.loads(text)
        document["results"] = document["results"][:1]
        document["checks"] = document["checks"][:1]
        text = json.dumps(document, indent=1, ensure_ascii=False)
    return f"\n```{ {'json': 'json', 'xml': 'xml'}.get(name.rpartition('.')[2], '') }\n{text.strip()}\n```\n"


def _schema(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
