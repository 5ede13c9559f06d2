"""Values to JSON and back: without loss, and never with a guess."""

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from pacslab.model import codec
from pacslab.model.plan import Plan
from pacslab.model.sweep import Sighting, SweepReport, pack
from pacslab.model.verdict import Result, Run, Verdict


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Leaf:
    number: int
    share: float = 0.0
    colour: Colour = Colour.RED
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    leaves: tuple[Leaf, ...]
    pair: tuple[int, str]
    names: frozenset[str]
    table: dict[str, Leaf]
    address: IPv4Address
    network: IPv4Network
    far: IPv6Address
    wide: IPv6Network
    day: dt.date
    at: dt.datetime
    either: int | str
    anything: Any
    ready: bool = True


TREE = Tree(
    leaves=(Leaf(1), Leaf(2, 0.5, Colour.RED, "ä")),
    pair=(3, "three"),
    names=frozenset({"b", "a"}),
    table={"one": Leaf(1)},
    address=IPv4Address("198.18.10.10"),
    network=IPv4Network("198.18.10.0/24"),
    far=IPv6Address("fd00::1"),
    wide=IPv6Network("fd00::/8"),
    day=dt.date(2027, 6, 30),
    at=dt.datetime(2027, 6, 30, 12, tzinfo=dt.UTC),
    either="text",
    anything={"free": [1, None]},
)


def test_a_value_of_every_type_comes_back_equal() -> None:
    assert codec.loads(Tree, codec.dumps(TREE)) == TREE


def test_equal_values_give_equal_text_whatever_the_order_of_a_set() -> None:
    other = dataclasses.replace(TREE, names=frozenset(["a", "b"]))
    assert codec.dumps(TREE) == codec.dumps(other)


def test_the_plan_of_the_reference_lab_comes_back_equal(reference: Plan) -> None:
    assert codec.loads(Plan, codec.dumps(reference)) == reference


def test_a_sweep_report_comes_back_equal() -> None:
    sightings = (Sighting(0, "b", IPv4Address("198.18.10.10")), Sighting(1, "b", IPv6Address("2001:2::1")))
    report = SweepReport(pack(b"\5"), pack(b"\0"), ("",), 1, 1, 0, 0, 0, 0, 0, 0.25, sightings, notes=("a note",))
    assert codec.loads(SweepReport, codec.dumps(report)) == report


def test_a_run_comes_back_equal() -> None:
    result = Result("REACH-01", Verdict.PASS, "a", "b", "dicom", "allowed", "connected", ("seen",))
    run = Run("lab", "flat", "0" * 64, "1" * 64, "0.1", "20.10", dt.datetime.now(dt.UTC), None, ("reach",), (result,))
    assert codec.loads(Run, codec.dumps(run)) == run


def test_a_whole_number_is_a_float_where_a_float_is_meant() -> None:
    leaf = codec.decode(Leaf, {"number": 1, "share": 2})
    assert (leaf.share, type(leaf.share)) == (2.0, float)


def _broken(**changes: Any) -> dict[str, Any]:
    return {**json.loads(codec.dumps(TREE)), **changes}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"leaves": {}}, "$.leaves: expected a list"),
        ({"leaves": [{"number": "1"}]}, "$.leaves[0].number: expected int, found '1'"),
        ({"leaves": [{"number": True}]}, "$.leaves[0].number: expected int, found True"),
        ({"leaves": [{"number": 1.5}]}, "$.leaves[0].number: expected int, found 1.5"),
        ({"leaves": [{}]}, "$.leaves[0]: "),
        ({"leaves": [7]}, "$.leaves[0]: expected an object for Leaf"),
        ({"leaves": [{"number": 1, "size": 2}]}, "$.leaves[0]: Leaf has no field 'size'"),
        ({"leaves": [{"number": 1, "colour": "blue"}]}, "$.leaves[0].colour: 'blue'"),
        ({"leaves": [{"number": 1, "note": 5}]}, "$.leaves[0].note: expected str, found 5"),
        ({"leaves": [{"number": 1, "share": True}]}, "$.leaves[0].share: expected float, found True"),
        ({"pair": [1]}, "$.pair: expected 2 items, found 1"),
        ({"pair": ["three", 3]}, "$.pair[0]: expected int"),
        ({"table": []}, "$.table: expected an object"),
        ({"table": {"one": 1}}, "$.table.one: expected an object for Leaf"),
        ({"address": "198.18.10.300"}, "$.address: "),
        ({"address": 5}, "$.address: expected text for IPv4Address, found 5"),
        ({"network": "198.18.10.1/24"}, "$.network: "),
        ({"network": 5}, "$.network: expected text for IPv4Network, found 5"),
        ({"day": "summer"}, "$.day: "),
        ({"day": 20270630}, "$.day: expected text for date, found 20270630"),
        ({"at": None}, "$.at: expected text for datetime, found None"),
        ({"either": []}, "$.either: expected int, found []; $.either: expected str, found []"),
        ({"ready": 1}, "$.ready: expected bool, found 1"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is what is checked
        codec.decode(Tree, _broken(**changes))
    assert str(caught.value).startswith(place)


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        codec.loads(Leaf, "{")


@pytest.mark.parametrize("value", [object(), Leaf, b"bytes", {1, 2}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        codec.encode(value)
