"""An archive's configuration is the policy and nothing else (FACTS 1)."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device
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
        (secret,) = re.findall(r"^postgresql://pacs:(.*)@198", configuration["PostgreSQL"]["ConnectionUri"])
        assert TOKEN.fullmatch(secret)


def test_who_may_use_http(archive: str, configuration: dict[str, Any], permitted: Permitted) -> None:
    gateways = {source for source, destination, service in permitted if (destination, service) == (archive, "http")}
    assert set(configuration["RegisteredUsers"]) == {"pacslab", *gateways}
    assert configuration["RemoteAccessAllowed"] is bool(gateways)
    fronts = {destination for source, destination, service in permitted if (source, service) == (archive, "https")}
    assert configuration["DicomWeb"]["Enable"] is bool(gateways | fronts)
    assert set(configuration["DicomWeb"]["Servers"]) == fronts


def test_the_index_is_opened_only_where_the_server_shows_its_own_certificate(file: FileText) -> None:
    index = json.loads(file("pacs", "/etc/pacslab/orthanc.json"))["PostgreSQL"]
    _, _, query = index["ConnectionUri"].partition("?")
    options = dict(pair.split("=") for pair in query.split("&"))
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/etc/pacslab/tls/ca.pem")
    assert (options["sslcert"], options["sslkey"]) == (
        "/etc/pacslab/tls/certificate.pem",
        "/etc/pacslab/tls/key.pem",
    )
    assert index["MaximumConnectionRetries"] * (int(options["connect_timeout"]) + 1) < 30  # a scanner's patience


def test_a_web_front_is_called_by_name_with_the_archives_own_certificate(file: FileText) -> None:
    configuration = json.loads(file("vna", "/etc/pacslab/orthanc.json"))
    server = configuration["DicomWeb"]["Servers"]["cloud-web"]
    assert server["Url"] == "https://cloud-web:443/dicom-web/"
    assert server["CertificateKeyFile"] == "/etc/pacslab/tls/key.pem"
    assert configuration["HttpsVerifyPeers"] is True
    assert configuration["HttpsCACertificates"] == "/etc/pacslab/tls/ca.pem"


@pytest.mark.parametrize(("node", "targets"), [("pacs", ("vna",)), ("vna", ("cloud-web",)), ("cloud-store", ())])
def test_studies_go_on_where_the_settings_say(
    node: str, targets: tuple[str, ...], file: FileText, reference: Plan
) -> None:
    assert codec.loads(Device, file(node, DEVICE_FILE)).forwards == targets
    configuration = json.loads(file(node, "/etc/pacslab/orthanc.json"))
    assert configuration["ConcurrentJobs"] == 2 + len(targets)
    (container,) = (container for container in reference.containers if container.node == node)
    assert container.command == ("device", "serve")


def test_an_archive_without_ae_title_has_no_dicom(file: FileText, reference_lab: Lab) -> None:
    configuration = json.loads(file("cloud-store", "/etc/pacslab/orthanc.json"))
    assert configuration["DicomServerEnabled"] is False
    (node,) = (node for node in reference_lab.nodes if node.name == "cloud-store")
    assert [service.name for service in node.services] == ["http"]


@pytest.mark.parametrize(
    ("node", "plugins"),
    [
        ("pacs", ["libOrthancDicomWeb.so", "libOrthancPostgreSQLIndex.so"]),
        ("vna", ["libOrthancDicomWeb.so"]),
        ("cloud-store", ["libOrthancDicomWeb.so"]),
    ],
)
def test_plugins_are_those_that_are_used(node: str, plugins: list[str], file: FileText) -> None:
    configuration = json.loads(file(node, "/etc/pacslab/orthanc.json"))
    assert [path.rpartition("/")[2] for path in configuration["Plugins"]] == plugins
