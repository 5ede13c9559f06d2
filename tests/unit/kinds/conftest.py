"""What the zone files permit, told without the program's own words for it, and the files that containers get."""

from collections.abc import Callable

import pytest

from pacslab.model.lab import Lab
from pacslab.model.plan import Plan

Permitted = dict[tuple[str, str, str], set[str]]


@pytest.fixture(scope="session")
def permitted(reference_lab: Lab) -> Permitted:
    """(initiator, responder, service) -> operations, straight from the conduits."""
    found: Permitted = {}
    for conduit in reference_lab.conduits:
        for source in conduit.sources:
            for destination in conduit.destinations:
                key = (source.split("/")[1], destination.split("/")[1], conduit.service)
                found.setdefault(key, set()).update(operation.value for operation in conduit.operations)
    return found


@pytest.fixture(scope="session")
def file(reference: Plan) -> Callable[[str, str], str]:
    """The text of a file of a node of the reference lab."""
    texts = {(c.node, f.path): f.text for c in reference.containers for f in c.files}
    return lambda node, path: texts[node, path]
