"""`python3 -m pacslab.fabric VERB [FILE]`: one request of the host -> JSON lines on stdout, the last one the answer."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pacslab.fabric.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Verb:
    """A function of a module of this package, and what it is called with besides."""

    module: str
    function: str
    request: str = ""  # type of `home` that FILE holds; empty: no FILE, "text": FILE's text as it is, "float": a number
    home: str = "fabric"  # module of pacslab.model
    reports_progress: bool = False


# Modules are named, not imported: `docker exec` pays for every import of every call.
VERBS: MappingProxyType[str, Verb] = MappingProxyType(
    {
        "serve": Verb("supervise", "serve"),
        "load": Verb("ruleset", "load", "text"),
        "ruleset": Verb("ruleset", "document"),
        "wire": Verb("wiring", "wire", "WireRequest"),
        "observe": Verb("wiring", "observe", "WireRequest"),
        "look": Verb("look", "look", "LookRequest"),
        "listen": Verb("listeners", "listen", "ListenRequest", reports_progress=True),
        "greet": Verb("greet", "greet", "GreetRequest", reports_progress=True),
        "trial": Verb("trial", "trial", "TrialRequest", home="trial", reports_progress=True),
        "settled": Verb("trial", "settled", "float"),
        "sweep": Verb("sweep", "sweep", "SweepRequest", home="sweep", reports_progress=True),
    },
)


def main(arguments: list[str]) -> int:
    """Do one verb; returns the exit code."""
    try:
        _print(event="result", value=_call(arguments))
    except Refusal as refusal:
        _print(event="error", message=refusal.message, hint=refusal.hint)
    except Exception as error:  # noqa: BLE001 - the host gets a sentence, stderr the traceback
        traceback.print_exc()
        _print(event="error", message=f"the fabric failed: {type(error).__name__}: {error}", hint="this is a bug")
    else:
        return 0
    return 1


def _call(arguments: list[str]) -> Any:
    verb = VERBS.get(arguments[0]) if arguments else None
    if verb is None or len(arguments) != (2 if verb.request else 1):
        verbs = ", ".join(f"{name} FILE" if verb.request else name for name, verb in VERBS.items())
        raise Refusal(f"no such request: {' '.join(arguments) or '(none)'}", f"there are: {verbs}")
    codec = importlib.import_module("pacslab.model.codec")
    function = getattr(importlib.import_module(f"pacslab.fabric.{verb.module}"), verb.function)
    values: list[Any] = []
    if verb.request == "text":
        values.append(_read(arguments[1]))
    elif verb.request == "float":
        values.append(float(_read(arguments[1])))
    elif verb.request:
        shape = getattr(importlib.import_module(f"pacslab.model.{verb.home}"), verb.request)
        values.append(codec.loads(shape, _read(arguments[1])))
    if verb.reports_progress:
        values.append(_progress)
    return codec.encode(function(*values))


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{file} could not be read: {error.strerror}") from None


def _progress(step: str, done: int, total: int) -> None:
    _print(event="progress", step=step, done=done, total=total)


def _print(**line: Any) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
