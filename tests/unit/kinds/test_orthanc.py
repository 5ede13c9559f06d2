"""An archive's configuration is the policy and nothing else (FACTS 1)."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pacslab.model.lab import Lab
from pacslab.model.plan import Plan

ARCHIVES = ("pacs", "vna", "cloud-store")
FLAGS = {
    "AllowEcho": "C-ECHO",
    "AllowStore": "C-STORE",
    "AllowFind": "C-FIND",
    "AllowFindWorklist": "C-FIND-MWL",
    "AllowMove": "C-MOVE",
    "AllowGet": "C-GET",
    "AllowStorageCommitment": "N-ACTION-STGCMT",
}
TOKEN = re.compile(r"\{\{pacslab:password:[a-z0-9/-]+\}\}")
Permitted = dict[tuple[str, str, str], set[str]]
FileText = Callable[[str, str], str]


@pytest.fixture(params=ARCHIVES)
def archive(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def configuration(archive: str, file: FileText) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file(archive, "/etc/pacslab/orthanc.json"))
    return loaded


def test_peers_are_exactly_the_dicom_peers_of_the_conduits(
    archive: str, configuration: dict[str, Any], permitted: Permitted
) -> None:
    pairs = [{source, destination} for source, destination, service in permitted if service == "dicom-tls"]
    peers = {name for pair in pairs if archive in pair for name in pair - {archive}}
    assert set(configuration["DicomModalities"]) == peers


def test_every_flag_is_written_and_is_what_the_conduits_say(
    archive: str, configuration: dict[str, Any], permitted: Permitted
) -> None:
    for peer, entry in configuration["DicomModalities"].items():
        allowed = permitted.get((peer, archive, "dicom-tls"), set())
        assert {flag: entry[flag] for flag in FLAGS} == {flag: word in allowed for flag, word in FLAGS.items()}
        assert entry["AllowTranscoding"] is False
        assert {key for key in entry if key.startswith("Allow")} == {*FLAGS, "AllowTranscoding"}


def test_peers_have_their_own_address_and_ae_title(configuration: dict[str, Any], reference: Plan) -> None:
    entries = configuration["DicomModalities"]
    for peer, entry in entries.items():
        node = reference.node(peer)
        assert (entry["AET"], entry["Host"], entry["Port"]) == (node.ae_title, str(node.address), 2762)
    titles = [entry["AET"].casefold() for entry in entries.values()]
    assert len(titles) == len(set(titles))  # FACTS 1.4


def test_nobody_is_let_in_by_default(configuration: dict[str, Any]) -> None:
    always = {key: value for key, value in configuration.items() if key.startswith("DicomAlwaysAllow")}
    names = ("Echo", "Store", "Find", "FindWorklist", "Get", "Move")
    assert always == {f"DicomAlwaysAllow{name}": False for name in names}
    for key in ("DicomCheckCalledAet", "DicomCheckModalityHost", "StrictAetComparison", "AuthenticationEnabled"):
        assert configuration[key] is True
    for key in ("SslEnabled", "WebDavEnabled", "OverwriteInstances", "UnknownSopClassAccepted", "ExecuteLuaEnabled"):
        assert configuration[key] is False


def test_there_is_always_a_user_and_never_a_written_password(archive: str, configuration: dict[str, Any]) -> None:
    users = configuration["RegisteredUsers"]
    assert users  # FACTS 1.9
    assert [name for name, secret in users.items() if not TOKEN.fullmatch(secret)] == []
    assert len(set(users.values())) == len(users)
    if archive == "pacs":
        assert TOKEN.fullmatch(configuration["PostgreSQL"]["Password"])


def test_who_may_use_http(archive: str, configuration: dict[str, Any], permitted: Permitted) -> None:
    gateways = {source for source, destination, service in permitted if (destination, service) == (archive, "http")}
    assert set(configuration["RegisteredUsers"]) == {"pacslab", *gateways}
    assert configuration["RemoteAccessAllowed"] is bool(gateways)
    assert configuration["DicomWeb"]["Enable"] is bool(gateways)


@pytest.mark.parametrize(("node", "entries"), [("pacs", {"pacs-web": "198.18.20.11"}), ("vna", {})])
def test_the_http_filter_knows_each_gateway_by_its_address(node: str, entries: dict[str, str], file: FileText) -> None:
    lua = file(node, "/etc/pacslab/orthanc.lua")
    (table,) = re.findall(r"local gateways = \{(.*)\}", lua)
    assert dict(re.findall(r"\['([a-z0-9-]+)'\] = '([0-9.]+)'", table)) == entries


@pytest.mark.parametrize(("node", "posts"), [("pacs", False), ("vna", False), ("cloud-store", True)])
def test_the_http_filter_lets_only_a_store_be_posted_to(node: str, posts: bool, file: FileText) -> None:
    assert ("method == 'POST'" in file(node, "/etc/pacslab/orthanc.lua")) is posts


@pytest.mark.parametrize(("node", "target"), [("pacs", "vna"), ("vna", None), ("cloud-store", None)])
def test_studies_go_on_where_the_settings_say(node: str, target: str | None, file: FileText) -> None:
    lua = file(node, "/etc/pacslab/orthanc.lua")
    assert re.findall(r"ipairs\(\{ (.*) \}\)", lua) == ([f"'{target}'"] if target else [])


def test_an_archive_without_ae_title_has_no_dicom(file: FileText, reference_lab: Lab) -> None:
    configuration = json.loads(file("cloud-store", "/etc/pacslab/orthanc.json"))
    assert configuration["DicomServerEnabled"] is False
    (node,) = (node for node in reference_lab.nodes if node.name == "cloud-store")
    assert [service.name for service in node.services] == ["http"]


@pytest.mark.parametrize(
    ("node", "plugins"),
    [
        ("pacs", ["libOrthancDicomWeb.so", "libOrthancPostgreSQLIndex.so"]),
        ("vna", []),
        ("cloud-store", ["libOrthancDicomWeb.so"]),
    ],
)
def test_plugins_are_those_that_are_used(node: str, plugins: list[str], file: FileText) -> None:
    configuration = json.loads(file(node, "/etc/pacslab/orthanc.json"))
    assert [path.rpartition("/")[2] for path in configuration["Plugins"]] == plugins
