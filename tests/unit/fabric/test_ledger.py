"""The ledger: what was seen decides a probe's fate, whatever the order."""

from __future__ import annotations

import itertools

import pytest

from pacslab.fabric.ledger import Attempt, Ledger
from pacslab.fabric.packets import ACK, ICMP, RST, SYN, TCP, Segment
from pacslab.model.fabric import Fate, Reply

CT, PACS, VNA, GATEWAY = 10, 20, 30, 1
BASE = 0xFFFFFFFE  # ids wrap around


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(BASE)
    for probe in range(4):
        ledger.open(attempt(probe))
    return ledger


def attempt(probe: int, *, is_control: bool = False) -> Attempt:
    source = GATEWAY if is_control else CT
    return Attempt(probe, source, PACS, (20_000 + probe, 104), TCP, is_control=is_control)


def syn(number: int, *, source: int = CT, port: int = 104) -> Segment:
    return Segment(source, PACS, TCP, 20_000, port, SYN, number)


def reply(probe: int, flags: int, *, to: int = CT) -> Segment:
    return Segment(PACS, to, TCP, 104, 20_000 + probe, flags, 77, (BASE + probe) & 0xFFFFFFFF)


def test_ids_are_counted_from_the_base_and_wrap_around(ledger: Ledger) -> None:
    assert ledger.open(attempt(4)) == 2
    assert [number for number, _ in ledger.since(1)] == [0xFFFFFFFF, 0, 1, 2]


def test_nothing_seen_is_unsent(ledger: Ledger) -> None:
    assert ledger.attempts[0].fate is Fate.UNSENT


def test_seen_leaving_only_is_lost(ledger: Ledger) -> None:
    ledger.note_frame(CT, syn(BASE), outgoing=True)
    assert ledger.attempts[0].fate is Fate.LOST
    assert ledger.attempts[1].fate is Fate.UNSENT


def test_arrival_outweighs_a_log_entry_in_any_order() -> None:
    events = (
        lambda ledger: ledger.note_frame(CT, syn(BASE), outgoing=True),
        lambda ledger: ledger.note_drop("pacslab:no-conduit", syn(BASE)),
        lambda ledger: ledger.note_frame(PACS, syn(BASE), outgoing=False),
    )
    for order in itertools.permutations(events):
        ledger = Ledger(BASE)
        ledger.open(attempt(0))
        for event in order:
            event(ledger)
        assert ledger.attempts[0].fate is Fate.ARRIVED


def test_the_log_names_the_drop_and_the_first_word_stays(ledger: Ledger) -> None:
    ledger.note_drop("pacslab:no-conduit", syn(BASE + 1))
    ledger.note_drop("pacslab:state", syn(BASE + 1))
    assert (ledger.attempts[1].fate, ledger.attempts[1].prefix) == (Fate.DROPPED, "pacslab:no-conduit")
    assert ledger.foreign_drops == 0


@pytest.mark.parametrize("segment", [None, syn(12345), syn(BASE, port=105)])
def test_drops_of_other_packets_are_only_counted(ledger: Ledger, segment: Segment | None) -> None:
    ledger.note_drop("pacslab:state", segment)
    assert ledger.foreign_drops == 1
    assert {one.fate for one in ledger.attempts} == {Fate.UNSENT}


def test_the_source_the_receiver_saw_is_kept(ledger: Ledger) -> None:
    ledger.note_frame(PACS, syn(BASE, source=GATEWAY), outgoing=False)
    assert ledger.attempts[0].source_seen == GATEWAY


def test_a_probe_that_arrives_elsewhere_is_astray(ledger: Ledger) -> None:
    ledger.note_frame(VNA, syn(BASE + 1), outgoing=False)
    assert ledger.astray == {(1, VNA)}
    assert ledger.attempts[1].fate is Fate.UNSENT


@pytest.mark.parametrize(("flags", "expected"), [(SYN | ACK, Reply.SYN_ACK), (RST | ACK, Reply.RST), (ACK, Reply.NONE)])
def test_a_reply_counts_where_the_source_hears_it(ledger: Ledger, flags: int, expected: Reply) -> None:
    ledger.note_frame(PACS, reply(1, flags), outgoing=True)
    assert ledger.attempts[1].reply is Reply.NONE
    ledger.note_frame(CT, reply(1, flags), outgoing=False)
    assert ledger.attempts[1].reply is expected


def test_the_sources_own_reset_is_no_reply_to_the_next_probe(ledger: Ledger) -> None:
    # RFC 9293 3.10.7.1: a reset for a SYN-ACK nobody wants carries the number it acknowledged, which is the next id.
    reset = Segment(CT, PACS, TCP, 20_001, 104, RST, BASE + 1)
    ledger.note_frame(CT, reset, outgoing=True)
    ledger.note_frame(PACS, reset, outgoing=False)
    assert (ledger.attempts[1].fate, ledger.attempts[1].reply) == (Fate.UNSENT, Reply.NONE)


def test_a_controls_reply_counts_where_it_leaves_the_node(ledger: Ledger) -> None:
    ledger.open(attempt(4, is_control=True))
    ledger.note_frame(PACS, reply(4, SYN | ACK, to=GATEWAY), outgoing=True)
    assert ledger.attempts[4].reply is Reply.SYN_ACK


def test_an_icmp_error_at_the_source_is_a_reply(ledger: Ledger) -> None:
    ledger.note_frame(CT, Segment(GATEWAY, CT, ICMP, quoted=syn(BASE)), outgoing=False)
    assert ledger.attempts[0].reply is Reply.ICMP


def test_a_connections_syn_is_kept_with_its_source(ledger: Ledger) -> None:
    ledger.note_frame(PACS, Segment(GATEWAY, PACS, TCP, 20_500, 104, SYN, 99), outgoing=False)
    assert ledger.connects == {(PACS, 20_500, 104): GATEWAY}
