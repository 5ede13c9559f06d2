"""What reviewers ask of a policy: reasons, dates, limits, and what is done about clear text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from pacslab.errors import Diagnostic
from pacslab.labfile.rules.world import World, distinct, problem, warning
from pacslab.model.dicom import CLEAR_TEXT

SOON = dt.timedelta(days=30)


def reasons_are_given(world: World) -> Iterator[Diagnostic]:
    """`why` is read by the people who review the policy: one word is no reason."""
    for conduit in world.lab.conduits:
        if len(conduit.why.split()) < 2:
            message = f"conduit {conduit.id!r} gives {conduit.why!r} as its reason"
            yield warning("thin-reason", message, "say in a few words who needs it for what", conduit.origin)


def conduits_have_not_expired(world: World) -> Iterator[Diagnostic]:
    """What was permitted until a day is not permitted after it."""
    for conduit in world.lab.conduits:
        if conduit.until is None:
            continue
        if conduit.until < world.today:
            message = f"conduit {conduit.id!r} expired on {conduit.until}"
            hint = "take it out, or have its owner set a new `until`"
            yield problem("expired-conduit", message, hint, conduit.origin)
        elif conduit.until - world.today <= SOON:
            message = f"conduit {conduit.id!r} expires on {conduit.until}"
            yield warning("expiring-conduit", message, "ask its owner whether it is still needed", conduit.origin)


def grants_have_a_limit(world: World) -> Iterator[Diagnostic]:
    """What is opened for a task is closed by the clock, not by somebody who remembers."""
    for conduit in world.lab.conduits:
        if conduit.granted and conduit.grant_limit_s is None and conduit.until is None:
            message = f"conduit {conduit.id!r} could stay granted for ever"
            hint = "write `for: 30m`, how long one grant may last, or `until:` with its last day"
            yield problem("grant-without-limit", message, hint, conduit.origin)
        if conduit.grant_limit_s is not None and not conduit.granted:
            message = f"conduit {conduit.id!r} has a `for`, but is open all the time"
            yield problem("limit-without-grant", message, "add `granted: true`, or leave `for` out", conduit.origin)


def clear_text_is_tolerated_by_somebody(world: World) -> Iterator[Diagnostic]:
    """DICOM, HTTP and HL7 without TLS can be read and changed on the way; somebody must say why that is tolerable."""
    for conduit in world.lab.conduits:
        readable = sorted({s.application.value for _, s in world.services(conduit) if s.application in CLEAR_TEXT})
        if readable and not conduit.clear_text:
            message = f"conduit {conduit.id!r} speaks {', '.join(readable)} in clear text"
            hint = "lead to a TLS service, or write `clear_text:` with what protects it instead"
            yield warning("clear-text", message, hint, conduit.origin)


def scanners_are_a_mix(world: World) -> Iterator[Diagnostic]:
    """A zone per device type tells an attacker what is where (NHS England: a modality network holds a mix)."""
    for zone in world.lab.zones:
        scanners = list(distinct(zone.nodes))
        types = {node.setting("modality") for node in scanners}
        if len(zone.nodes) > 1 and all(node.kind == "modality" for node in scanners) and len(types) == 1:
            (only,) = types
            message = f"zone {zone.name} has {', '.join(only)} scanners only"
            yield warning("one-device-type", message, "mix device types in a zone", zone.origin, scanners[0].origin)
