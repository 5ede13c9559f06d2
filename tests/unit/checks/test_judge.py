"""Every combination of what was expected and what was seen that decides a verdict (ARCHITECTURE 6)."""

import itertools
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from pacslab.checks import catalogue
from pacslab.checks.asking import Ending
from pacslab.checks.judge import WITHOUT_TARGET, judge_accounting, judge_denied, judge_operation, judge_reach
from pacslab.model.device import Layer, Observation
from pacslab.model.dicom import Operation
from pacslab.model.packet import ICMPV6, TCP, UDP
from pacslab.model.plan import Flow, Plan
from pacslab.model.probe import Probe, ProbeClass
from pacslab.model.sweep import Connect, Control, Fate, Reply
from pacslab.model.verdict import Accounting, Result, Verdict

PASS, FAIL, UNCLEAR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
OWN = IPv4Address("198.18.10.10")
OTHER = IPv4Address("198.18.10.99")

LISTENS = Control("pacs", 11112, reached=True, reply=Reply.SYN_ACK)
CLOSED = Control("pacs", 11112, reached=True, reply=Reply.RST)
MUTE = Control("pacs", 11112, reached=True, reply=Reply.NONE)
CUT = Control("pacs", 11112, reached=False, reply=Reply.NONE)
NEVER_MADE = None

ARRIVED, DROPPED, LOST, UNSENT = Fate.ARRIVED, Fate.DROPPED, Fate.LOST, Fate.UNSENT
REJECTED, DISCARDED = Fate.REJECTED, Fate.DISCARDED
THERE = IPv4Address("198.18.20.10")
PROBE = Probe(ProbeClass.SERVICE, "ct-1", "pacs", OWN, THERE, TCP, 11112)
CONNECTED, REFUSED, TIMED_OUT, NOT_TRIED = Connect.CONNECTED, Connect.REFUSED, Connect.TIMED_OUT, Connect.NOT_TRIED


@pytest.fixture
def flow(reference: Plan) -> Flow:
    return next(flow for flow in reference.flows if (flow.source, flow.destination) == ("ct-1", "pacs"))


def _judge(
    flow: Flow | None,
    fate: Fate,
    connect: Connect,
    control: Control | None,
    *,
    seen: IPv4Address | None = None,
    reply: Reply = Reply.NONE,
) -> Result:
    prefix = "pacslab:no-conduit" if fate is DROPPED else ""
    return judge_reach(PROBE, flow, Ending(fate, prefix, reply, seen, "", connect, 2), control, "dicom")


@pytest.mark.parametrize(
    ("fate", "connect", "control", "seen", "expected"),
    [
        (ARRIVED, CONNECTED, LISTENS, OWN, PASS),
        (LOST, CONNECTED, LISTENS, OWN, PASS),  # tried again, and seen
        (ARRIVED, CONNECTED, NEVER_MADE, OWN, PASS),  # an open connection is its own control
        # the receiver saw somebody else
        (ARRIVED, CONNECTED, LISTENS, OTHER, FAIL),
        (ARRIVED, TIMED_OUT, LISTENS, OTHER, FAIL),
        (ARRIVED, TIMED_OUT, CUT, OTHER, FAIL),
        # connected, but to what
        (LOST, CONNECTED, LISTENS, None, UNCLEAR),
        (DROPPED, CONNECTED, LISTENS, OWN, UNCLEAR),
        # the firewall is in the way
        (DROPPED, TIMED_OUT, LISTENS, None, FAIL),
        (DROPPED, NOT_TRIED, LISTENS, None, FAIL),
        (DROPPED, TIMED_OUT, CUT, None, FAIL),
        # a dead target decides nothing
        (ARRIVED, TIMED_OUT, CUT, OWN, UNCLEAR),
        (ARRIVED, TIMED_OUT, MUTE, OWN, UNCLEAR),
        (ARRIVED, TIMED_OUT, NEVER_MADE, OWN, UNCLEAR),
        (ARRIVED, REFUSED, CLOSED, OWN, UNCLEAR),
        (LOST, TIMED_OUT, CUT, None, UNCLEAR),
        # nobody says who swallowed it, but it left, the service answers, and the flow is not open
        (LOST, TIMED_OUT, LISTENS, None, FAIL),
        # a broken prober decides nothing
        (LOST, NOT_TRIED, LISTENS, None, UNCLEAR),
        (UNSENT, NOT_TRIED, LISTENS, None, UNCLEAR),
        (UNSENT, NOT_TRIED, NEVER_MADE, None, UNCLEAR),
        # it listens, the packet arrived, and still no connection
        (ARRIVED, TIMED_OUT, LISTENS, OWN, FAIL),
        (ARRIVED, REFUSED, LISTENS, OWN, FAIL),
    ],
)
def test_allowed(
    fate: Fate,
    connect: Connect,
    control: Control | None,
    seen: IPv4Address | None,
    *,
    expected: Verdict,
    flow: Flow,
) -> None:
    assert _judge(flow, fate, connect, control, seen=seen).verdict is expected


@pytest.mark.parametrize(
    ("fate", "connect", "control", "reply", "expected"),
    [
        (DROPPED, NOT_TRIED, LISTENS, Reply.NONE, PASS),
        (DROPPED, NOT_TRIED, CLOSED, Reply.NONE, PASS),
        (DROPPED, NOT_TRIED, MUTE, Reply.NONE, UNCLEAR),
        (DROPPED, NOT_TRIED, CUT, Reply.NONE, UNCLEAR),
        (DROPPED, NOT_TRIED, NEVER_MADE, Reply.NONE, UNCLEAR),
        (LOST, NOT_TRIED, LISTENS, Reply.NONE, UNCLEAR),
        (LOST, NOT_TRIED, CUT, Reply.NONE, UNCLEAR),
        (UNSENT, NOT_TRIED, LISTENS, Reply.NONE, UNCLEAR),
        (ARRIVED, NOT_TRIED, LISTENS, Reply.SYN_ACK, FAIL),
        (ARRIVED, NOT_TRIED, LISTENS, Reply.NONE, FAIL),
        (ARRIVED, NOT_TRIED, CLOSED, Reply.RST, FAIL),
        (ARRIVED, NOT_TRIED, NEVER_MADE, Reply.NONE, FAIL),
        (DROPPED, CONNECTED, LISTENS, Reply.NONE, FAIL),
        (LOST, CONNECTED, LISTENS, Reply.NONE, FAIL),
        # told no by somebody, and no log entry says that it was the firewall
        (REJECTED, NOT_TRIED, LISTENS, Reply.RST, UNCLEAR),
        # only IPv6 is discarded by the kernel
        (DISCARDED, NOT_TRIED, LISTENS, Reply.NONE, UNCLEAR),
    ],
)
def test_denied(fate: Fate, connect: Connect, control: Control | None, reply: Reply, *, expected: Verdict) -> None:
    assert _judge(None, fate, connect, control, reply=reply).verdict is expected


EVERYTHING = list(
    itertools.product(Fate, Connect, [LISTENS, CLOSED, MUTE, CUT, NEVER_MADE], [None, OWN, OTHER], list(Reply))
)


@pytest.mark.parametrize("permitted", [True, False])
def test_over_all_combinations_nothing_passes_without_evidence(permitted: bool, flow: Flow) -> None:
    passed = 0
    for fate, connect, control, seen, reply in EVERYTHING:
        result = _judge(flow if permitted else None, fate, connect, control, seen=seen, reply=reply)
        if result.verdict is UNCLEAR:
            assert result.reason
        if result.verdict is not PASS:
            continue
        passed += 1
        if permitted:
            assert (connect, seen) == (CONNECTED, OWN)
        else:
            assert fate is DROPPED
            assert connect is not CONNECTED
            assert control in {LISTENS, CLOSED}
    assert passed


def test_a_result_says_what_was_expected_seen_and_where_it_is_written(flow: Flow) -> None:
    result = _judge(flow, DROPPED, TIMED_OUT, LISTENS)
    assert (result.check, result.conduit, result.origin) == ("REACH-01", "acquire", flow.origin)
    assert (result.expected, result.attempts) == ("allowed by conduit acquire", 2)
    assert result.observed == "dropped by the firewall (no-conduit)"
    assert result.evidence == (
        "probe dropped",
        "firewall log 'pacslab:no-conduit'",
        "control reached it, answer syn-ack",
    )


def test_a_denied_result_names_no_conduit() -> None:
    result = _judge(None, DROPPED, NOT_TRIED, NEVER_MADE)
    assert (result.check, result.conduit, result.origin, result.expected) == (
        "REACH-02",
        "",
        None,
        "denied: no conduit",
    )
    assert result.evidence[-1] == "no control"


OBSERVED = Observation("C-ECHO", "pacs", ok=True, layer=Layer.DIMSE, status="0x0000", detail="", elapsed_s=0.1)


@pytest.mark.parametrize(
    ("observation", "trouble", "expected", "observed"),
    [
        (OBSERVED, "", PASS, "dimse: 0x0000"),
        (replace(OBSERVED, ok=False, status="0xC000"), "", FAIL, "dimse: 0xC000"),
        (
            replace(OBSERVED, ok=False, layer=Layer.ASSOCIATION, status="A-ASSOCIATE-RJ 1/1/3"),
            "",
            FAIL,
            "association: A-ASSOCIATE-RJ 1/1/3",
        ),
        (None, "the node is gone", UNCLEAR, "not tried"),
    ],
)
def test_operations(
    observation: Observation | None, trouble: str, expected: Verdict, observed: str, flow: Flow
) -> None:
    result = judge_operation(flow, Operation.C_ECHO, observation, trouble)
    assert (result.check, result.verdict, result.observed, result.reason) == ("DICOM-01", expected, observed, trouble)


@pytest.mark.parametrize(
    ("sent", "arrived", "dropped", "lost", "counted", "expected"),
    [
        (10, 4, 6, 0, 6, PASS),
        (10, 4, 6, 0, 9, PASS),  # others were dropped meanwhile
        (10, 10, 0, 0, 0, PASS),
        (0, 0, 0, 0, 0, UNCLEAR),  # nothing was sent, nothing is proved
        (10, 4, 5, 1, 5, UNCLEAR),
        (10, 4, 5, 0, 5, UNCLEAR),
        (10, 4, 6, 0, 5, UNCLEAR),  # the log says more than the firewall counted
        (10, 5, 6, 0, 6, UNCLEAR),
    ],
)
def test_the_books_of_a_sweep(
    sent: int, arrived: int, dropped: int, lost: int, *, counted: int, expected: Verdict
) -> None:
    result = judge_accounting(Accounting(sent, arrived, dropped, lost, counted, 0, 1.0))
    assert (result.check, result.verdict) == ("REACH-03", expected)
    assert bool(result.reason) is (expected is UNCLEAR)


def test_check_ids_are_unique_and_each_has_a_requirement_and_references() -> None:
    ids = [check.id for check in catalogue.CATALOGUE]
    assert len(ids) == len(set(ids))
    assert [
        check.id for check in catalogue.CATALOGUE if not (check.requirement.endswith(".") and check.references)
    ] == []
    assert [catalogue.check(identity).id for identity in ids] == ids
    with pytest.raises(KeyError):
        catalogue.check("REACH-99")


def test_check_ids_are_never_given_away() -> None:
    """Reports and documents cite them: this list only grows."""
    ids = {"reach": ("REACH", 18), "dicom": ("DICOM", 5), "proof": ("PROOF", 12), "listeners": ("LISTEN", 2)}
    ids["workflow"] = ("WORK", 16)
    found = [(check.suite, check.id) for check in catalogue.CATALOGUE]
    assert sorted(found) == sorted(
        (suite, f"{name}-{number:02}") for suite, (name, last) in ids.items() for number in range(1, last + 1)
    )


def _udp(fate: Fate, control: Control | None, seen: IPv4Address | None, flow: Flow | None) -> Verdict:
    probe = PROBE._replace(protocol=UDP, destination_port=514)
    ending = Ending(fate, "pacslab:no-conduit" if fate is DROPPED else "", Reply.NONE, seen)
    return judge_reach(probe, flow, ending, control, "syslog").verdict


def test_over_udp_one_arrival_is_enough_and_the_source_still_counts(flow: Flow) -> None:
    assert _udp(ARRIVED, MUTE, OWN, flow) is PASS
    assert _udp(ARRIVED, MUTE, OTHER, flow) is FAIL
    assert _udp(ARRIVED, MUTE, None, flow) is UNCLEAR
    assert _udp(DROPPED, LISTENS, None, flow) is FAIL
    assert _udp(ARRIVED, LISTENS, OWN, None) is FAIL
    assert _udp(DROPPED, LISTENS, None, None) is PASS
    assert _udp(DROPPED, MUTE, None, None) is UNCLEAR


def _denied(kind: ProbeClass, fate: Fate, word: str = "", control: Control | None = None) -> Verdict:
    prefix = f"pacslab:{word}" if word else ""
    return judge_denied(PROBE._replace(kind=kind), Ending(fate, prefix), control)[0]


@pytest.mark.parametrize("kind", [kind for kind in ProbeClass if kind not in WITHOUT_TARGET])
def test_what_goes_to_a_node_needs_a_node_that_is_alive(kind: ProbeClass) -> None:
    assert _denied(kind, DROPPED, "no-conduit", LISTENS) is PASS
    assert _denied(kind, REJECTED, "no-conduit", LISTENS) is PASS
    assert _denied(kind, DROPPED, "no-conduit", CUT) is UNCLEAR
    assert _denied(kind, DROPPED, "", LISTENS) is UNCLEAR


@pytest.mark.parametrize("kind", list(ProbeClass))
def test_in_no_class_anything_passes_without_evidence(kind: ProbeClass) -> None:
    assert _denied(kind, ARRIVED, "no-conduit", LISTENS) is FAIL
    assert _denied(kind, LOST, "", LISTENS) is UNCLEAR
    assert _denied(kind, UNSENT, "", LISTENS) is UNCLEAR
    assert _denied(kind, REJECTED, "", LISTENS) is UNCLEAR
    assert _denied(kind, DISCARDED, "", LISTENS) is (PASS if kind is ProbeClass.NO_IPV6 else UNCLEAR)


def test_a_borrowed_address_must_be_stopped_for_being_borrowed() -> None:
    assert _denied(ProbeClass.SPOOFED, DROPPED, "spoofed") is PASS
    assert _denied(ProbeClass.SPOOFED, DROPPED, "no-conduit") is FAIL


@pytest.mark.parametrize("kind", sorted(WITHOUT_TARGET - {ProbeClass.SPOOFED}))
def test_where_there_is_nobody_nobody_need_be_alive(kind: ProbeClass) -> None:
    assert _denied(kind, DROPPED, "no-node") is PASS


def test_over_ipv6_a_program_that_does_not_listen_is_no_failure(flow: Flow) -> None:
    ends = IPv6Address("2001:2::1"), IPv6Address("2001:2::2")
    probe = PROBE._replace(source_address=ends[0], destination_address=ends[1])
    arrived = Ending(ARRIVED, source_seen=ends[0], connect=REFUSED)
    assert judge_reach(probe, flow, arrived, CLOSED, "dicom").verdict is Verdict.SKIPPED
    assert judge_reach(probe, flow, Ending(DROPPED, "pacslab:ipv6"), CLOSED, "dicom").verdict is FAIL
    assert judge_reach(probe, flow, Ending(LOST), CLOSED, "dicom").verdict is UNCLEAR
    echo = probe._replace(kind=ProbeClass.ECHO, protocol=ICMPV6)
    assert judge_denied(echo, Ending(ARRIVED, elsewhere="vna"), LISTENS)[:2] == (FAIL, "reached vna")
