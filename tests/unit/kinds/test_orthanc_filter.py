"""The archive's own filter, run as Lua: the gateway's conduits and nothing else, whatever the front let through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lupa.lua54 import LuaRuntime
from tests.unit.kinds.requests import EVERYTHING, RETRIEVE, SEARCH, STORE

FileText = Callable[[str, str], str]
Lets = Callable[[str, str, str], bool]


def _filter(text: str) -> Lets:
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.execute(text)
    function = lua.globals().IncomingHttpRequestFilter

    def lets(user: str, address: str, request: str) -> bool:
        method, _, target = request.partition(" ")
        # Orthanc hands over the path without its query, decoded.
        answer = function(method, target.partition("?")[0], address, user, lua.table())
        assert answer in {True, False}
        return bool(answer)

    return lets


@pytest.mark.parametrize(
    ("node", "gateway", "address", "named"),
    [
        ("pacs", "pacs-web", "198.18.20.11", SEARCH + RETRIEVE),
        ("cloud-store", "cloud-web", "198.18.40.10", SEARCH + RETRIEVE + STORE),
        ("vna", "pacs-web", "198.18.20.11", []),
    ],
)
def test_a_gateway_asks_what_its_conduits_name(
    node: str, gateway: str, address: str, named: list[str], file: FileText
) -> None:
    lets = _filter(file(node, "/etc/pacslab/orthanc.lua"))
    assert [request for request in EVERYTHING if lets(gateway, address, request)] == named


@pytest.mark.parametrize("caller", [("pacs-web", "198.18.50.12"), ("", "198.18.20.11"), ("cloud-web", "198.18.20.11")])
def test_nobody_else_asks_anything(caller: tuple[str, str], file: FileText) -> None:
    lets = _filter(file("pacs", "/etc/pacslab/orthanc.lua"))
    assert [request for request in EVERYTHING if lets(*caller, request)] == []


@pytest.mark.parametrize(("address", "may"), [("127.0.0.1", True), ("198.18.20.11", False), ("198.18.20.10", False)])
def test_the_nodes_own_operator_comes_from_inside_only(address: str, may: bool, file: FileText) -> None:
    lets = _filter(file("pacs", "/etc/pacslab/orthanc.lua"))
    assert lets("pacslab", address, "GET /system") is may
