"""Packed columns: what is packed is what is read, and many alike cost little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacslab.model.sweep import Rows, pack, unpack

U16 = st.integers(0, 0xFFFF)


@given(st.lists(st.tuples(U16, U16, U16, U16, U16)))
def test_rows_come_back(rows: list[tuple[int, int, int, int, int]]) -> None:
    packed = Rows.of(rows).packed()
    back = Rows.unpacked(packed)
    assert list(zip(back.source, back.claimed, back.destination, back.port, back.shape, strict=True)) == rows


@given(st.binary())
def test_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


@pytest.mark.parametrize("text", ["?", "AAAA", pack(b"123")])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"packed|base64|padding"):
        Rows.unpacked(text)


def test_a_product_of_nodes_and_ports_is_small() -> None:
    nodes, ports = 60, 45
    rows = Rows.of((a, a, b, port, 0) for a in range(nodes) for b in range(nodes) for port in range(ports))
    assert len(rows.packed()) < len(rows.source) / 4  # bytes, where each probe would be ten
