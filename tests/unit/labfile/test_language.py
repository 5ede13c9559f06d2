"""Series, left-out nodes, services of one's own, two address families: what the files say and what comes of it."""

from collections.abc import Callable

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import Loaded
from pacslab.model.dicom import Application, Protocol
from pacslab.model.lab import Criticality, Service

SERIES = """\
zone: scanners
network: 198.18.10.0/24
security_level: 2
clear_text: Cables of their own.
nodes:
  ct-1: {kind: modality, modality: CT, ae_title: CT1, criticality: high, manufacturer: SYNTHETIC, model: 7}
  mr: {kind: modality, modality: MR, count: 4, ae_title: "MR{n}", title: "MR number {n}"}
  us-1: {kind: modality, modality: US, ae_title: US1}
accepts:
  - {id: all, from: scanners/us-1, to: mr, service: dicom-tls, operations: [C-ECHO], why: One asks them all.}
  - {id: one, from: scanners/mr-3, to: us-1, service: dicom-tls, operations: [C-ECHO], why: One asks back.}
  - {id: many, from: scanners/mr, to: ct-1, service: dicom-tls, operations: [C-ECHO], why: All of them ask.}
"""
Written = Callable[..., Loaded]
Refused = Callable[..., list[tuple[str, str, str]]]


def _addresses(loaded: Loaded) -> dict[str, str]:
    return {node.name: str(node.address) for node in loaded.lab.nodes}


def test_a_series_becomes_its_members(written: Written) -> None:
    loaded = written(SERIES)
    assert loaded.warnings == ()
    assert _addresses(loaded) == {
        "ct-1": "198.18.10.10",
        "mr-1": "198.18.10.11",
        "mr-2": "198.18.10.12",
        "mr-3": "198.18.10.13",
        "mr-4": "198.18.10.14",
        "us-1": "198.18.10.15",
    }
    third = loaded.lab.nodes[3]
    assert (third.ae_title, third.title, third.kind) == ("MR3", "MR number 3", "modality")
    assert str(third.origin) == "zone-0.yaml:7:3"


def test_selectors_name_a_series_or_one_of_it(written: Written) -> None:
    conduits = {conduit.id: conduit for conduit in written(SERIES).lab.conduits}
    assert conduits["all"].destinations == tuple(f"scanners/mr-{n}" for n in range(1, 5))
    assert conduits["one"].sources == ("scanners/mr-3",)
    assert conduits["many"].sources == conduits["all"].destinations


def test_a_lab_may_want_fewer_and_moves_nobody(written: Written) -> None:
    loaded = written(SERIES, more="replicas: {mr: 2}")
    assert _addresses(loaded)["us-1"] == "198.18.10.15"
    assert [name for name in _addresses(loaded) if name.startswith("mr")] == ["mr-1", "mr-2"]
    (one,) = (conduit for conduit in loaded.lab.conduits if conduit.id == "one")
    assert one.sources == ()  # mr-3 is left out, which is no mistake


def test_a_lab_may_want_more(written: Written) -> None:
    loaded = written(SERIES, more="replicas: {scanners/mr: 6}")
    assert _addresses(loaded)["mr-6"] == "198.18.10.16"
    assert _addresses(loaded)["us-1"] == "198.18.10.17"


def test_zones_nodes_and_members_are_left_out(written: Written) -> None:
    other = "zone: elsewhere\nnetwork: 198.18.11.0/24\nnodes: {p-1: {kind: probe}}\n"
    loaded = written(SERIES, other, more="without: [elsewhere, scanners/ct-1, scanners/mr-2]")
    assert list(_addresses(loaded)) == ["mr-1", "mr-3", "mr-4", "us-1"]
    assert [zone.name for zone in loaded.lab.zones] == ["scanners"]
    whole = written(SERIES, other, more="without: [scanners/mr]")
    assert list(_addresses(whole)) == ["ct-1", "us-1", "p-1"]


def test_keeping_names_a_series_or_one_of_it(written: Written) -> None:
    kept = written(SERIES, more="zones: [{file: zone-0.yaml, nodes: [mr-2, us-1]}]")
    assert list(_addresses(kept)) == ["mr-2", "us-1"]
    kept = written(SERIES, more="zones: [{file: zone-0.yaml, nodes: [mr]}]")
    assert list(_addresses(kept)) == ["mr-1", "mr-2", "mr-3", "mr-4"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("without: [scanners/mr-5]", "unknown-node"),
        ("without: [ct-1]", "unknown-zone"),
        ("replicas: {us-1: 2}", "unknown-series"),
        ("replicas: {mr: 0}", "wrong-value"),
        ("replicas: {mr: many}", "wrong-value"),
        ("replicas: [mr]", "wrong-value"),
        ("without: [scanners]", "nothing-left"),
    ],
)
def test_what_a_lab_file_cannot_ask(more: str, code: str, refused: Refused) -> None:
    ((found, place, _),) = refused(SERIES, more=more)
    assert (found, place.split(":")[:2]) == (code, ["lab.yaml", "3"])


def test_what_is_wrong_with_a_series_is_said_once(refused: Refused) -> None:
    found = refused(SERIES.replace('ae_title: "MR{n}", ', ""))
    assert [(code, place) for code, place, _ in found] == [("missing-ae-title", "zone-0.yaml:7:3")]
    found = refused(SERIES.replace("count: 4", "count: 400"))
    assert [(code, place) for code, place, _ in found if place.startswith("zone-0.yaml:7")] == [
        ("address-outside-zone", "zone-0.yaml:7:3"),
    ]


def test_attributes(written: Written) -> None:
    loaded = written(SERIES)
    ct = loaded.lab.nodes[0]
    assert (ct.criticality, ct.manufacturer, ct.model) == (Criticality.HIGH, "SYNTHETIC", "7")
    assert loaded.lab.zones[0].security_level == 2


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("security_level: 2", "security_level: 5", "wrong-value"),
        ("criticality: high", "criticality: highest", "wrong-value"),
        ("count: 4", "count: -1", "wrong-value"),
        ("count: 4", "count: 4.0", "wrong-value"),
        ('"MR{n}"', "MR", "series-without-number"),
        ("mr: {", "magnetic-resona: {", "long-name"),
    ],
)
def test_what_a_zone_file_cannot_say(old: str, new: str, code: str, refused: Refused) -> None:
    found = refused(SERIES.replace(old, new, 1))
    assert code in {entry[0] for entry in found}


OWN = """\
zone: own
network: 198.18.30.0/24
network6: 2001:2:0:30::/64
nodes:
  viewer:
    kind: container
    image: example.org/viewer:1.4
    command: [viewer, --port, "8080"]
    environment: {LEVEL: info, EMPTY: , NUMBER: 0104, EQUALS: a=b}
    user: 1000:1000
    services:
      - {name: web, port: 8080, application: https}
      - {name: media, port: 6000-6010, protocol: udp}
  laptop: {kind: probe, address6: "2001:2:0:30::99"}
accepts:
  - {id: look, from: own/laptop, to: viewer, service: web, operations: [QIDO-RS], why: People look at images.}
  - {id: hear, from: own/laptop, to: viewer, service: media, why: People hear sounds.}
"""


def test_a_container_of_ones_own(written: Written) -> None:
    loaded = written(OWN.replace("network6: 2001:2:0:30::/64\n", "").replace(', address6: "2001:2:0:30::99"', ""))
    assert loaded.warnings == ()
    plan = compile_lab(loaded.lab)
    container = plan.containers[0]
    assert container.image == "example.org/viewer:1.4"
    assert container.command == ("viewer", "--port", "8080")
    assert container.environment == (("LEVEL", "info"), ("EMPTY", ""), ("NUMBER", "0104"), ("EQUALS", "a=b"))
    assert container.user == "1000:1000"
    assert [file.path for file in container.files if file.path.endswith("key.pem")] != []
    assert plan.nodes[0].services == (
        Service("web", Application.HTTPS, 8080),
        Service("media", Application.OTHER, 6000, Protocol.UDP, 6010),
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("    image: example.org/viewer:1.4\n", "", "missing-setting"),
        ("{LEVEL: info", "[LEVEL, {a: b}, info", "not-yaml"),
        ("{LEVEL: info, EMPTY: , NUMBER: 0104, EQUALS: a=b}", "[LEVEL=info]", "wrong-setting"),
        ("{LEVEL: info, EMPTY: , NUMBER: 0104, EQUALS: a=b}", "{A=B: info}", "wrong-setting"),
        ("{LEVEL: info, EMPTY: , NUMBER: 0104, EQUALS: a=b}", "{A: [info]}", "wrong-setting"),
        ("user: 1000:1000", "user: [1000]", "wrong-setting"),
        ("port: 8080, application: https", "port: 8080-8081, application: https", "wrong-service"),
        ("port: 6000-6010", "port: 6010-6000", "wrong-value"),
        ("name: media, port: 6000-6010, protocol: udp", "name: media, port: 8079-8090", "port-taken"),
        ("protocol: udp", "protocol: sctp", "wrong-value"),
        ("protocol: udp", "protocol: udp, application: dicom", "wrong-service"),
        ("network6: 2001:2:0:30::/64", "network6: 2001:db8::/64", "network-outside-range"),
        ("network6: 2001:2:0:30::/64", "network6: 2001:2:0:30::/96", "network-too-small"),
        ("network6: 2001:2:0:30::/64", "network6: 198.18.30.0/24", "wrong-value"),
        ("network6: 2001:2:0:30::/64\n", "", "no-network6"),
        ("2001:2:0:30::99", "2001:2:0:31::99", "address-outside-zone"),
        ("2001:2:0:30::99", "2001:2:0:30::1", "address-outside-zone"),
        ("2001:2:0:30::99", "2001:2:0:30::10", "duplicate-address"),
        ("2001:2:0:30::99", "198.18.30.99", "wrong-value"),
    ],
)
def test_what_a_container_cannot_be(old: str, new: str, code: str, refused: Refused) -> None:
    assert old in OWN
    found = refused(OWN.replace(old, new, 1))
    assert code in {entry[0] for entry in found}


def test_networks_of_both_families_are_apart(refused: Refused) -> None:
    other = "zone: other\nnetwork: 198.18.31.0/24\nnetwork6: 2001:2:0:30::/64\nnodes: {p-1: {kind: probe}}\n"
    assert ("networks-overlap", "zone-1.yaml:1:7") in {entry[:2] for entry in refused(OWN, other)}


@pytest.mark.parametrize(
    "services",
    [
        "[{name: http, port: 8043}]",  # Orthanc's own tools know that port
        "[{name: dicom, port: 104-105}]",
        "[{name: dicom, port: 104, application: other}]",
        "[{name: dicom, port: 104, protocol: udp}]",
        "[{name: web, port: 80, application: http}]",  # nothing in this node would answer
    ],
)
def test_services_that_a_kind_does_not_have(services: str, refused: Refused) -> None:
    zone = f"zone: z\nnetwork: 198.18.0.0/24\nnodes: {{pacs: {{kind: orthanc, ae_title: A, services: {services}}}}}\n"
    assert "wrong-service" in {code for code, _, _ in refused(zone)}


def test_a_series_counts_on_from_its_first_address(written: Written) -> None:
    loaded = written(SERIES.replace("count: 4", "count: 4, address: 198.18.10.200"))
    assert [_addresses(loaded)[f"mr-{n}"] for n in range(1, 5)] == [f"198.18.10.{n}" for n in range(200, 204)]
    assert _addresses(loaded)["us-1"] == "198.18.10.15"


SHELL = """\
zone: own
network: 198.18.30.0/24
clear_text: Cables of their own.
nodes:
  shell: {kind: container, image: a, services: [{name: door, port: 2022, application: ssh}]}
  store: {kind: container, image: a, services: [{name: pages, port: 81, application: http}]}
  laptop: {kind: probe}
  front: {kind: web-gateway, backend: store}
accepts:
  - {id: in, from: own/laptop, to: shell, service: door, why: People log in there.}
  - {id: back, from: own/front, to: store, service: pages, operations: [QIDO-RS], why: The front asks it.}
  - {id: read, from: own/laptop, to: front, service: https, operations: [QIDO-RS], why: People read.}
"""


def test_peers_go_by_what_is_spoken_and_not_by_its_name(written: Written) -> None:
    loaded = written(SHELL)
    assert loaded.warnings == ()
    files = {(c.node, f.path): f.text for c in compile_lab(loaded.lab).containers for f in c.files}
    assert "  Port 2022\n" in files["laptop", "/var/lib/pacslab/.ssh/config"]
    assert "server 198.18.30.11:81;" in files["front", "/etc/pacslab/nginx.conf"]
