"""Lab -> diagnostics: one function for each thing that a well-shaped lab can still get wrong."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

from pacslab.errors import Diagnostic, Severity
from pacslab.kinds import KINDS
from pacslab.labfile.source import did_you_mean
from pacslab.model.dicom import AE_TITLE, AE_TITLE_MAX_CHARS, DIMSE_APPLICATIONS, OPERATIONS
from pacslab.model.lab import Lab, Node, Origin

Rule = Callable[[Lab], Iterator[Diagnostic]]

# The fabric's own links and sysctl folders, and the name that every node has for itself.
RESERVED = frozenset({"fabric", "lo", "eth0", "all", "default", "localhost"})


def _problem(code: str, message: str, hint: str, origin: Origin, *related: Origin) -> Diagnostic:
    return Diagnostic(code, message, hint, origin, related=related)


def node_names_are_unique(lab: Lab) -> Iterator[Diagnostic]:
    """A node's name is its host name and its cable's name: unique in the lab, and not one the fabric needs."""
    first: dict[str, Origin] = {}
    for node in lab.nodes:
        if node.name in RESERVED:
            yield _problem(
                "reserved-name", f"{node.name!r} already means something else in a lab", "choose another", node.origin
            )
        if node.name in first:
            yield _problem(
                "duplicate-node", f"two nodes are called {node.name!r}", "rename one", node.origin, first[node.name]
            )
        first.setdefault(node.name, node.origin)


def networks_are_apart(lab: Lab) -> Iterator[Diagnostic]:
    """Zones have networks of their own."""
    zones = sorted(lab.zones, key=lambda zone: (zone.network.network_address, zone.network.prefixlen))
    for left, right in itertools.pairwise(zones):
        if left.network.overlaps(right.network):
            message = f"the networks of {left.name} ({left.network}) and {right.name} ({right.network}) overlap"
            yield _problem("networks-overlap", message, "give each zone its own /24", right.origin, left.origin)


def addresses_are_right(lab: Lab) -> Iterator[Diagnostic]:
    """Every node has an address of its own, in its zone's network, that is not the gateway's."""
    first: dict[str, Node] = {}
    for zone in lab.zones:
        for node in zone.nodes:
            special = {zone.gateway, zone.network.network_address, zone.network.broadcast_address}
            if node.address not in zone.network or node.address in special:
                hint = f"choose a host address of {zone.network} other than the gateway {zone.gateway}"
                yield _problem(
                    "address-outside-zone", f"{node.address} cannot be {node.path}'s address", hint, node.origin
                )
            other = first.setdefault(str(node.address), node)
            if other is not node:
                message = f"{node.path} and {other.path} have one address, {node.address}"
                yield _problem(
                    "duplicate-address", message, "write another `address:`, or none", node.origin, other.origin
                )


def ae_titles_are_right(lab: Lab) -> Iterator[Diagnostic]:
    """AE titles are 1-16 characters of the default repertoire (PS3.5 6.2), unique without regard to case."""
    first: dict[str, Node] = {}
    for node in lab.nodes:
        kind = KINDS[node.kind]
        title = node.ae_title
        if title is None:
            if kind.needs_ae_title:
                hint = f"write `ae_title: {node.name.replace('-', '').upper()[:16]}`"
                yield _problem("missing-ae-title", f"{node.path} speaks DICOM and needs an AE title", hint, node.origin)
            continue
        if not (kind.needs_ae_title or kind.takes_ae_title):
            yield _problem(
                "useless-ae-title", f"a {kind.name} does not speak DICOM", "leave `ae_title` out", node.origin
            )
        if not AE_TITLE.fullmatch(title):
            hint = "1 to 16 characters, no quotes, backslashes or outer spaces (PS3.5 6.2)"
            length = f": it has {len(title)} characters" if len(title) > AE_TITLE_MAX_CHARS else ""
            yield _problem("bad-ae-title", f"{title!r} is not an AE title{length}", hint, node.origin)
        other = first.setdefault(title.casefold(), node)
        if other is not node:
            message = f"{node.path} and {other.path} have one AE title, {title!r}"
            # FACTS 1.4: with two entries of one AE title, Orthanc stops checking addresses.
            yield _problem(
                "duplicate-ae-title", message, "give each its own; case does not count", node.origin, other.origin
            )


def conduit_ids_are_unique(lab: Lab) -> Iterator[Diagnostic]:
    """Checks, rules and reports cite conduits by id."""
    first: dict[str, Origin] = {}
    for conduit in lab.conduits:
        if conduit.id in first:
            message = f"two conduits are called {conduit.id!r}"
            yield _problem("duplicate-conduit", message, "rename one", conduit.origin, first[conduit.id])
        first.setdefault(conduit.id, conduit.origin)


def conduits_reach_services(lab: Lab) -> Iterator[Diagnostic]:
    """A conduit leads to a service that its node has, with operations that the service's application has."""
    nodes = {node.path: node for node in lab.nodes}
    for conduit in lab.conduits:
        for path in conduit.destinations:
            service = nodes[path].service(conduit.service)
            if service is None:
                hint = did_you_mean(conduit.service, [s.name for s in nodes[path].services]) or "nothing listens there"
                message = f"{path} has no service {conduit.service!r}"
                yield _problem("unknown-service", message, hint, conduit.origin, nodes[path].origin)
                continue
            known = OPERATIONS[service.application]
            for operation in conduit.operations:
                if operation not in known:
                    message = f"{operation.value} is not spoken over {service.application.value}"
                    hint = did_you_mean(operation.value, [op.value for op in known]) or "leave `operations` out"
                    yield _problem("wrong-operation", message, hint, conduit.origin)
            if known and not conduit.operations:
                hint = f"say which: {', '.join(op.value for op in known[:4])}, ..."
                yield _problem(
                    "missing-operations", f"conduit {conduit.id!r} permits no operation", hint, conduit.origin
                )


def initiators_have_ae_titles(lab: Lab) -> Iterator[Diagnostic]:
    """A conduit for DICOM begins at a node with an AE title: its peer could not be told whom to let in."""
    nodes = {node.path: node for node in lab.nodes}
    for conduit in lab.conduits:
        services = [nodes[path].service(conduit.service) for path in conduit.destinations]
        if not any(service and service.application in DIMSE_APPLICATIONS for service in services):
            continue
        for path in conduit.sources:
            kind = KINDS[nodes[path].kind]
            if nodes[path].ae_title is None and not kind.needs_ae_title:
                message = f"conduit {conduit.id!r} is for DICOM, and {path} has no AE title"
                hint = (
                    "give it an `ae_title`, or leave it out of `from`"
                    if kind.takes_ae_title
                    else "leave it out of `from`"
                )
                yield _problem("untitled-initiator", message, hint, conduit.origin, nodes[path].origin)


def conduits_open_something_once(lab: Lab) -> Iterator[Diagnostic]:
    """One pair and service, one conduit: otherwise nobody can say which one let a packet through."""
    first: dict[tuple[str, str, str], Origin] = {}
    told: set[tuple[Origin, Origin]] = set()
    for conduit in lab.conduits:
        for source in conduit.sources:
            for destination in conduit.destinations:
                if source == destination:
                    continue
                place = first.setdefault((source, destination, conduit.service), conduit.origin)
                if place is not conduit.origin and (place, conduit.origin) not in told:
                    told.add((place, conduit.origin))
                    message = f"conduit {conduit.id!r} opens {source} -> {destination} {conduit.service} a second time"
                    yield _problem("shadowed-conduit", message, "merge the two", conduit.origin, place)


def forwarding_has_a_conduit(lab: Lab) -> Iterator[Diagnostic]:
    """What a node's settings make it open must be a declared passage."""
    nodes = {node.name: node for node in lab.nodes}
    needs = {"forward": "dicom", "database": "postgres", "backend": "http"}
    opened: dict[tuple[str, str], set[str]] = defaultdict(set)
    for conduit in lab.conduits:
        for destination in conduit.destinations:
            opened[destination, conduit.service] |= set(conduit.sources)
    for node in lab.nodes:
        for setting in node.settings:
            for value in setting.values if setting.name in needs else ():
                target = nodes.get(value.rpartition("/")[2])
                if target is None:
                    continue
                services = [s.name for s in target.services if s.name.startswith(needs[setting.name])]
                if not any(node.path in opened[target.path, service] for service in services):
                    message = f"{setting.name!r} makes {node.path} open {target.path}, but no conduit permits it"
                    hint = f"add a conduit from {node.path} in the file of zone {target.zone}"
                    yield _problem("missing-conduit", message, hint, setting.origin, target.origin)


def reasons_are_given(lab: Lab) -> Iterator[Diagnostic]:
    """`why` is read by the people who review the policy: one word is no reason."""
    for conduit in lab.conduits:
        if len(conduit.why.split()) < 2:
            message = f"conduit {conduit.id!r} gives {conduit.why!r} as its reason"
            yield Diagnostic(
                "thin-reason", message, "say in a few words who needs it for what", conduit.origin, Severity.WARNING
            )


RULES: tuple[Rule, ...] = (
    node_names_are_unique,
    networks_are_apart,
    addresses_are_right,
    ae_titles_are_right,
    conduit_ids_are_unique,
    conduits_reach_services,
    initiators_have_ae_titles,
    conduits_open_something_once,
    forwarding_has_a_conduit,
    reasons_are_given,
)
