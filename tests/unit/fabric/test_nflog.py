"""NFLOG: entries as Linux 6.18 sent them."""

from __future__ import annotations

from pacslab.fabric.nflog import parse
from pacslab.fabric.packets import TCP
from pacslab.fabric.packets import parse as parse_packet

# Two datagrams of one reader: connections from 198.18.0.12 to 198.18.0.11, ports 104 and 443, denied.
TO_104 = bytes.fromhex(
    "d400000000040000000000000000000002000001080001000800020017000a00706163736c61623a6e6f2d636f6e6475697400000800"
    "040000000003080005000000000210000800000600000250c612000c000006000f000001000006001100000e0000120010000251c612"
    "000c0250c612000c0800000014000300000000006b02ae060000000000074b5c08000c0000000000400009004500003c223440003f06"
    "8d4cc612000cc612000b933400684a673ef500000000a002faf08c6a0000020405b40402080a1e47c3e2000000000103030a",
)
TO_443 = bytes.fromhex(
    "d400000000040000000000000000000002000001080001000800020017000a00706163736c61623a6e6f2d636f6e6475697400000800"
    "040000000003080005000000000210000800000600000250c612000c000006000f000001000006001100000e0000120010000251c612"
    "000c0250c612000c0800000014000300000000006b02ae0600000000000be54d08000c0000000001400009004500003c49fc40003f06"
    "6584c612000cc612000bbb3201bb0b8c22dc00000000a002faf08c6a0000020405b40402080a6713828f000000000103030a",
)


def test_an_entry_has_its_words_its_packet_and_its_number() -> None:
    (entry,) = parse(TO_104)
    assert (entry.prefix, entry.sequence) == ("pacslab:no-conduit", 0)
    segment = parse_packet(entry.packet)
    assert segment is not None
    assert (segment.protocol, segment.source_port, segment.destination_port) == (TCP, 37684, 104)
    assert segment.number == 0x4A673EF5


def test_several_entries_come_in_one_datagram() -> None:
    assert [entry.sequence for entry in parse(TO_104 + TO_443)] == [0, 1]


def test_what_is_no_entry_is_passed_over() -> None:
    acknowledgement = bytes.fromhex("2400000002000001010000000a0b0c0d00000000140000000104050001000000000000000000")
    assert [entry.sequence for entry in parse(acknowledgement[:36] + TO_443)] == [1]
    assert parse(b"") == []


def test_a_datagram_cut_short_gives_no_invented_packet() -> None:
    (entry,) = parse(TO_104[:150])
    assert entry.packet == b""
