"""The ledger: what was seen decides a probe's fate, whatever the order."""

from __future__ import annotations

import itertools

import pytest

from pacslab.fabric.ledger import Knock, Ledger
from pacslab.fabric.packets import ACK, ICMP, RST, SYN, TCP, UDP, Segment
from pacslab.model.probe import Manner, ProbeClass
from pacslab.model.sweep import NOBODY, Fate, Reply, Rows, Shape

CT, PACS, VNA = range(3)  # targets
ADDRESSES = (10, 20, 30, 99)  # theirs, and one that is nobody's
GATEWAY = 1
BASE = 0xFFFFFFFE  # ids wrap around


def of(probe: int) -> int:
    """The id of a probe sent once: they go up by two."""
    return (BASE + 2 * probe) & 0xFFFFFFFF


SHAPES = (
    Shape(ProbeClass.SERVICE, 4, TCP),
    Shape(ProbeClass.ACK, 4, TCP, flags=ACK),
    Shape(ProbeClass.ECHO, 4, ICMP, 8 << 8, is_icmp=True),
    Shape(ProbeClass.WATCH, 4, UDP),
)
ROWS = (
    (CT, CT, PACS, 104, 0),
    (CT, CT, PACS, 104, 0),
    (CT, CT, PACS, 104, 1),
    (CT, CT, PACS, 0, 2),
    (CT, CT, 3, 53, 3),
)


@pytest.fixture
def ledger() -> Ledger:
    return opened()


def opened() -> Ledger:
    ledger = Ledger(BASE, Rows.of(ROWS), SHAPES, ADDRESSES, (CT, PACS, VNA, NOBODY))
    for probe in range(len(ROWS)):
        ledger.open(probe)
    return ledger


def syn(number: int, *, source: int = 10, port: int = 104, flags: int = SYN) -> Segment:
    return Segment(source, 20, TCP, 20_000, port, flags, number)


def reply(probe: int, flags: int, *, to: int = 10) -> Segment:
    return Segment(20, to, TCP, 104, 20_000 + probe, flags, 77, of(probe))


def test_ids_are_counted_from_the_base_and_wrap_around(ledger: Ledger) -> None:
    assert ledger.open(0) == of(len(ROWS)) == 8


def test_nothing_seen_is_unsent(ledger: Ledger) -> None:
    assert ledger.fate(0) is Fate.UNSENT


def test_seen_leaving_only_is_lost(ledger: Ledger) -> None:
    ledger.note_frame(CT, syn(BASE), outgoing=True)
    assert ledger.fate(0) is Fate.LOST
    assert ledger.fate(1) is Fate.UNSENT


def test_arrival_outweighs_a_log_entry_in_any_order() -> None:
    events = (
        lambda ledger: ledger.note_frame(CT, syn(BASE), outgoing=True),
        lambda ledger: ledger.note_drop("pacslab:no-conduit", syn(BASE)),
        lambda ledger: ledger.note_frame(PACS, syn(BASE), outgoing=False),
    )
    for order in itertools.permutations(events):
        ledger = opened()
        for event in order:
            event(ledger)
        assert ledger.fate(0) is Fate.ARRIVED


def test_the_log_names_the_drop_and_the_first_word_stays(ledger: Ledger) -> None:
    ledger.note_drop("pacslab:no-conduit", syn(of(1)))
    ledger.note_drop("pacslab:state", syn(of(1)))
    assert (ledger.fate(1), ledger.prefixes[ledger.word[1]]) == (Fate.DROPPED, "pacslab:no-conduit")
    assert ledger.foreign_drops == 0


@pytest.mark.parametrize("segment", [None, syn(12345), syn(BASE, port=105), syn(BASE, flags=ACK)])
def test_drops_of_other_packets_are_only_counted(ledger: Ledger, segment: Segment | None) -> None:
    ledger.note_drop("pacslab:state", segment)
    assert ledger.foreign_drops == 1
    assert {ledger.fate(place) for place in range(len(ROWS))} == {Fate.UNSENT}


def test_another_source_than_the_sent_one_is_a_sighting(ledger: Ledger) -> None:
    ledger.note_frame(PACS, syn(BASE), outgoing=False)
    assert ledger.sightings == {}
    ledger.note_frame(PACS, syn(of(1), source=GATEWAY), outgoing=False)
    assert ledger.sightings == {(1, PACS): GATEWAY}


def test_a_probe_that_arrives_elsewhere_has_arrived_and_is_a_sighting(ledger: Ledger) -> None:
    ledger.note_frame(VNA, syn(of(1)), outgoing=False)
    assert ledger.sightings == {(1, VNA): 10}
    assert ledger.fate(1) is Fate.ARRIVED


def test_what_was_sent_to_nobody_arrives_at_whoever_hears_it(ledger: Ledger) -> None:
    ledger.note_frame(PACS, Segment(10, 99, UDP, 20_000, 53, number=of(4)), outgoing=False)
    assert (ledger.fate(4), ledger.sightings) == (Fate.ARRIVED, {(4, PACS): 10})


@pytest.mark.parametrize(("flags", "expected"), [(SYN | ACK, Reply.SYN_ACK), (RST | ACK, Reply.RST), (ACK, Reply.NONE)])
def test_a_reply_counts_where_the_source_hears_it(ledger: Ledger, flags: int, expected: Reply) -> None:
    ledger.note_frame(PACS, reply(1, flags), outgoing=True)
    assert ledger.reply(1) is Reply.NONE
    ledger.note_frame(CT, reply(1, flags), outgoing=False)
    assert ledger.reply(1) is expected


def test_an_answer_to_what_never_arrived_is_a_rejection(ledger: Ledger) -> None:
    ledger.note_frame(CT, syn(BASE), outgoing=True)
    ledger.note_frame(CT, reply(0, RST | ACK), outgoing=False)
    assert ledger.fate(0) is Fate.REJECTED
    ledger.note_frame(PACS, syn(BASE), outgoing=False)
    assert ledger.fate(0) is Fate.ARRIVED


def test_an_echo_and_its_reply_have_one_number(ledger: Ledger) -> None:
    number = of(3)
    ledger.note_frame(PACS, Segment(10, 20, ICMP, 8 << 8, number=number), outgoing=False)
    ledger.note_frame(CT, Segment(20, 10, ICMP, 0, number=number), outgoing=False)
    assert (ledger.fate(3), ledger.reply(3)) == (Fate.ARRIVED, Reply.ECHO)


def test_a_segment_with_other_flags_is_not_the_probe(ledger: Ledger) -> None:
    ledger.note_frame(PACS, syn(of(2), flags=RST), outgoing=False)
    assert ledger.fate(2) is Fate.UNSENT
    ledger.note_frame(PACS, syn(of(2), flags=ACK), outgoing=False)
    assert ledger.fate(2) is Fate.ARRIVED


def test_the_sources_own_reset_is_no_reply_to_the_next_probe(ledger: Ledger) -> None:
    # RFC 9293 3.10.7.1: a reset for a SYN-ACK nobody wants carries the number it acknowledged, one more than the SYN's.
    reset = Segment(10, 20, TCP, 20_001, 104, RST, of(0) + 1)
    ledger.note_frame(CT, reset, outgoing=True)
    ledger.note_frame(PACS, reset, outgoing=False)
    assert [ledger.fate(place) for place in range(len(ROWS))] == [Fate.UNSENT] * len(ROWS)
    assert ledger.reply(1) is Reply.NONE


def test_the_sources_own_reset_is_not_a_stray_reset_sent_after_it() -> None:
    shapes = (SHAPES[0], Shape(ProbeClass.FLAGS, 4, TCP, flags=RST))
    ledger = Ledger(BASE, Rows.of([(CT, CT, VNA, 104, 0), (CT, CT, PACS, 104, 1)]), shapes, ADDRESSES, (CT, PACS, VNA))
    first, second = ledger.open(0), ledger.open(1)
    ledger.note_frame(VNA, syn(first), outgoing=False)
    ledger.note_frame(VNA, Segment(10, 30, TCP, 20_000, 104, RST, first + 1 & 0xFFFFFFFF), outgoing=False)
    ledger.note_frame(CT, syn(second, flags=RST), outgoing=True)
    ledger.note_drop("pacslab:state", syn(second, flags=RST))
    assert (ledger.fate(0), ledger.fate(1), ledger.sightings) == (Fate.ARRIVED, Fate.DROPPED, {})


def test_a_controls_reply_counts_where_it_leaves_the_node(ledger: Ledger) -> None:
    knock = Knock(PACS, TCP, (20_005, 104))
    number = ledger.open_control(knock)
    ledger.note_frame(PACS, syn(number, source=GATEWAY), outgoing=False)
    answer = Segment(20, GATEWAY, TCP, 104, 20_005, SYN | ACK, 77, number)
    ledger.note_frame(CT, answer, outgoing=False)
    assert (knock.arrived, knock.reply) == (True, Reply.NONE)
    ledger.note_frame(PACS, answer, outgoing=True)
    assert knock.reply is Reply.SYN_ACK


def test_an_icmp_error_at_the_source_is_a_reply(ledger: Ledger) -> None:
    ledger.note_frame(CT, Segment(GATEWAY, 10, ICMP, 3 << 8, number=BASE, quoted=syn(BASE)), outgoing=False)
    assert ledger.reply(0) is Reply.ICMP


def test_a_connections_syn_is_kept_with_its_source(ledger: Ledger) -> None:
    ledger.note_frame(PACS, Segment(GATEWAY, 20, TCP, 20_500, 104, SYN, 99), outgoing=False)
    assert ledger.connects == {(PACS, 4, 20_500, 104): GATEWAY}


def test_what_deaf_captures_did_not_see_is_not_believed(ledger: Ledger) -> None:
    ledger.note_drop("pacslab:no-conduit", syn(BASE))
    ledger.disbelieve(0, {PACS})
    assert ledger.fate(0) is Fate.UNSENT
    ledger.disbelieve(0, {CT})
    assert ledger.fate(0) is Fate.LOST


def of_kind(shape: Shape) -> Ledger:
    """A ledger with one attempt, from CT to PACS."""
    ledger = Ledger(BASE, Rows.of([(CT, CT, PACS, 104, 0)]), (shape,), ADDRESSES, (CT, PACS, VNA))
    ledger.open(0)
    return ledger


def test_an_icmp_error_that_is_a_probe_has_the_number_that_it_quotes() -> None:
    ledger = of_kind(Shape(ProbeClass.ERROR, 4, ICMP, 3 << 8, is_icmp=True))
    error = Segment(10, 20, ICMP, 3 << 8, number=BASE, quoted=syn(BASE, flags=ACK))
    ledger.note_frame(CT, error, outgoing=True)
    assert ledger.fate(0) is Fate.LOST
    ledger.note_frame(PACS, error, outgoing=False)
    assert (ledger.fate(0), ledger.reply(0)) == (Fate.ARRIVED, Reply.NONE)


def test_the_fabrics_own_error_speaks_for_a_probe_that_ends_there_only() -> None:
    error = Segment(GATEWAY, 10, ICMP, 11 << 8, number=BASE, quoted=syn(BASE))
    last, other = of_kind(Shape(ProbeClass.LAST_HOP, 4, TCP, flags=SYN, manner=Manner.LAST_HOP)), of_kind(SHAPES[0])
    for ledger in (last, other):
        ledger.note_drop("pacslab:fabric", error)
    assert (last.fate(0), last.prefixes[last.word[0]], last.foreign_drops) == (Fate.DROPPED, "pacslab:fabric", 0)
    assert (other.fate(0), other.foreign_drops) == (Fate.UNSENT, 1)


@pytest.mark.parametrize(
    ("shape", "answer"),
    [
        (Shape(ProbeClass.FABRIC, 4, TCP), Segment(20, 10, TCP, 104, 20_000, RST | ACK, 0, BASE)),
        (Shape(ProbeClass.FABRIC, 4, ICMP, 8 << 8, is_icmp=True), Segment(20, 10, ICMP, 0, number=BASE)),
        (
            Shape(ProbeClass.FABRIC, 4, UDP),
            Segment(20, 10, ICMP, 3 << 8 | 3, number=BASE, quoted=Segment(10, 20, UDP, 20_000, 104, number=BASE)),
        ),
    ],
)
def test_an_answer_of_the_fabric_stopped_on_its_way_out_says_that_the_probe_was_let_in(
    shape: Shape, answer: Segment
) -> None:
    ledger = of_kind(shape)
    ledger.note_drop("pacslab:fabric", answer)
    assert (ledger.fate(0), ledger.word[0], ledger.foreign_drops) == (Fate.ARRIVED, 0, 1)
    other = of_kind(Shape(ProbeClass.WATCH, shape.version, shape.protocol, shape.source_port, is_icmp=shape.is_icmp))
    other.note_drop("pacslab:fabric", answer)
    assert other.fate(0) is Fate.UNSENT
