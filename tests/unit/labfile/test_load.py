"""Zone files to a lab: what is kept, what is inert, and where everything was written."""

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pacslab.errors import LabFileError
from pacslab.labfile.load import load
from pacslab.model.lab import Lab, Origin, Posture, Zone

ZONE = """\
zone: scanners
network: 198.18.10.0/24
nodes:
  ct-1: {kind: modality, modality: CT, ae_title: CT1}
  mr-1: {kind: modality, modality: MR, ae_title: MR1, address: 198.18.10.200, service_console: true}
  us-1: {kind: modality, modality: US, ae_title: US1}
accepts:
  - {id: echo, from: scanners, to: "*", service: dicom-tls, operations: [C-ECHO, C-ECHO], why: They ping each other.}
  - {id: gone, from: [elsewhere, elsewhere/pacs], to: ct-1, service: dicom-tls, operations: [C-ECHO], why: Never here.}
  - {id: later, from: scanners/us-1, to: mr-1, service: ssh, granted: true, until: 2027-06-30, why: When granted only.}
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zone.yaml").write_text(ZONE, encoding="utf-8")

    def lab(zones: str) -> Path:
        (tmp_path / "lab.yaml").write_text(f"lab: small\nzones: {zones}\n", encoding="utf-8")
        return Path("lab.yaml")

    return lab


def _zone(lab: Lab, name: str) -> Zone:
    return next(zone for zone in lab.zones if zone.name == name)


def test_nodes_count_from_ten_in_the_order_written(write: Write) -> None:
    nodes = load(write("[zone.yaml]")).lab.nodes
    assert [(node.name, str(node.address)) for node in nodes] == [
        ("ct-1", "198.18.10.10"),
        ("mr-1", "198.18.10.200"),
        ("us-1", "198.18.10.12"),
    ]


def test_a_node_keeps_its_address_when_others_are_left_out(write: Write) -> None:
    (node,) = load(write("[{file: zone.yaml, nodes: [us-1]}]")).lab.nodes
    assert (node.name, node.address) == ("us-1", IPv4Address("198.18.10.12"))


def test_keeping_no_node_at_all(write: Write) -> None:
    lab = load(write("[{file: zone.yaml, nodes: []}]")).lab
    assert lab.nodes == ()
    assert all(conduit.sources == conduit.destinations == () for conduit in lab.conduits)


def test_a_conduit_from_an_absent_zone_is_inert_and_kept(write: Write) -> None:
    (gone,) = (conduit for conduit in load(write("[zone.yaml]")).lab.conduits if conduit.id == "gone")
    assert (gone.sources, gone.destinations) == ((), ("scanners/ct-1",))


def test_what_a_conduit_says(write: Write) -> None:
    echo, _, later = load(write("[zone.yaml]")).lab.conduits
    assert echo.sources == echo.destinations == ("scanners/ct-1", "scanners/mr-1", "scanners/us-1")
    assert [operation.value for operation in echo.operations] == ["C-ECHO"]
    assert (later.granted, str(later.until), later.zone) == (True, "2027-06-30", "scanners")


def test_every_object_knows_where_it_was_written(write: Write) -> None:
    lab = load(write("[zone.yaml]")).lab
    assert lab.origin == Origin("lab.yaml", 1, 6)
    assert lab.zones[0].origin == Origin("zone.yaml", 1, 7)
    assert lab.nodes[1].origin == Origin("zone.yaml", 5, 3)
    assert lab.nodes[0].settings[0].origin == Origin("zone.yaml", 4, 36)
    assert lab.conduits[2].origin == Origin("zone.yaml", 10, 6)


def test_services_follow_from_the_kind_and_its_settings(write: Write) -> None:
    ct, mr, _ = load(write("[zone.yaml]")).lab.nodes
    assert [service.name for service in ct.services] == ["dicom-tls"]
    assert [service.name for service in mr.services] == ["dicom-tls", "ssh"]


def test_posture_is_segmented_unless_written(write: Write) -> None:
    assert load(write("[zone.yaml]")).lab.posture is Posture.SEGMENTED
    assert load(write("[zone.yaml]\nposture: flat")).lab.posture is Posture.FLAT


def test_all_zone_files_are_read_before_any_is_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("zone: [", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("zone: b\n", encoding="utf-8")
    with pytest.raises(LabFileError) as caught:
        load(write("[b.yaml, a.yaml, zone.yaml]"))
    places = [(str(diagnostic.origin.file), diagnostic.code) for diagnostic in caught.value.diagnostics]
    assert places == [("a.yaml", "not-yaml"), ("b.yaml", "missing-key"), ("b.yaml", "missing-key")]


def test_the_minimal_lab_uses_the_reference_zone_files(minimal_lab: Lab, reference_lab: Lab) -> None:
    whole = {node.path: node for node in reference_lab.nodes}
    assert [whole[node.path] for node in minimal_lab.nodes] == list(minimal_lab.nodes)


def test_the_reference_lab_has_its_zones_and_nodes(reference_lab: Lab) -> None:
    found = {zone.name: (str(zone.network), [node.name for node in zone.nodes]) for zone in reference_lab.zones}
    assert found == {
        "modality": ("198.18.10.0/24", ["ct-1", "mr-1", "us-1"]),
        "pacs-core": ("198.18.20.0/24", ["pacs", "pacs-web", "pacs-db"]),
        "archive": ("198.18.30.0/24", ["vna"]),
        "cloud": ("198.18.40.0/24", ["cloud-web", "cloud-store"]),
        "clinical": ("198.18.50.0/24", ["ehr", "ris", "reading-1"]),
        "vendor-remote": ("198.18.60.0/24", ["bastion", "vendor-1"]),
        "outside": ("198.18.90.0/24", ["internet-1", "guest-1"]),
    }


def test_every_conduit_of_the_reference_lab_says_why_and_by_whose_leave(reference_lab: Lab) -> None:
    assert [conduit.id for conduit in reference_lab.conduits if not (conduit.why and conduit.owner)] == []
    assert len(reference_lab.conduits) == 15
    assert _zone(reference_lab, "outside").conduits == ()
