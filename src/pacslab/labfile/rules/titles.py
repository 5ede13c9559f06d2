"""AE titles, by which DICOM nodes know each other."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.errors import Diagnostic
from pacslab.kinds import KINDS
from pacslab.labfile.rules.world import World, distinct, problem
from pacslab.model.dicom import AE_TITLE, AE_TITLE_MAX_CHARS, DIMSE_APPLICATIONS
from pacslab.model.lab import Node


def ae_titles_are_right(world: World) -> Iterator[Diagnostic]:
    """AE titles are 1-16 characters of the default repertoire (PS3.5 6.2), unique without regard to case."""
    first: dict[str, Node] = {}
    for node in distinct(world.lab.nodes):
        yield from _belongs(node)
    for node in world.lab.nodes:
        title = node.ae_title
        if title is None:
            continue
        if not AE_TITLE.fullmatch(title):
            hint = "1 to 16 characters, no quotes, backslashes or outer spaces (PS3.5 6.2)"
            length = f": it has {len(title)} characters" if len(title) > AE_TITLE_MAX_CHARS else ""
            yield problem("bad-ae-title", f"{title!r} is not an AE title{length}", hint, node.origin)
        other = first.setdefault(title.casefold(), node)
        if other is not node:
            message = f"{node.path} and {other.path} have one AE title, {title!r}"
            # FACTS 1.4: with two entries of one AE title, Orthanc stops checking addresses.
            hint = "give each its own; case does not count"
            yield problem("duplicate-ae-title", message, hint, node.origin, other.origin)


def _belongs(node: Node) -> Iterator[Diagnostic]:
    """Whether the node's kind wants an AE title or none."""
    kind = KINDS[node.kind]
    if node.ae_title is None and kind.needs_ae_title:
        hint = f"write `ae_title: {node.name.replace('-', '').upper()[:16]}`"
        yield problem("missing-ae-title", f"{node.path} speaks DICOM and needs an AE title", hint, node.origin)
    if node.ae_title is not None and not (kind.needs_ae_title or kind.takes_ae_title):
        message = f"a {kind.name} does not speak DICOM"
        yield problem("useless-ae-title", message, "leave `ae_title` out", node.origin)


def initiators_have_ae_titles(world: World) -> Iterator[Diagnostic]:
    """A conduit for DICOM begins at a node with an AE title: its peer could not be told whom to let in."""
    for conduit in world.lab.conduits:
        if not any(service.application in DIMSE_APPLICATIONS for _, service in world.services(conduit)):
            continue
        for node in distinct(world.nodes[path] for path in conduit.sources):
            kind = KINDS[node.kind]
            if node.ae_title is None and not kind.needs_ae_title:
                message = f"conduit {conduit.id!r} is for DICOM, and {node.path} has no AE title"
                give = "give it an `ae_title`, or leave it out of `from`"
                hint = give if kind.takes_ae_title else "leave it out of `from`"
                yield problem("untitled-initiator", message, hint, conduit.origin, node.origin)
