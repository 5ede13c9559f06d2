"""The shape of zone files and lab files, and what each key means; types come from here, never from YAML."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pacslab.labfile.types import (
    Address,
    Address6,
    AeTitle,
    Boolean,
    ConduitId,
    Count,
    Date,
    Duration,
    Level,
    Name,
    Network,
    Network6,
    Ports,
    Selectors,
    Text,
    Words,
    ZoneName,
)
from pacslab.model.dicom import Application, Operation, Protocol
from pacslab.model.lab import Criticality, Posture


def _zone_use(value: Any) -> Any:
    """A bare file name uses the whole zone."""
    return {"file": value} if isinstance(value, str) else value


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceShape(_Shape):
    """Something a node listens with, beyond or other than what its kind says."""

    name: Annotated[ZoneName, Field(description="what conduits call it", examples=["console"])]
    port: Annotated[Ports, Field(description="the port it listens on, or a range", examples=["6000-6010"])]
    protocol: Annotated[
        Protocol | None, Words("tcp or udp"), Field(description="`tcp` unless written", examples=["udp"])
    ] = None
    application: Annotated[
        Application | None,
        Words("application"),
        Field(description="what is spoken; `other` unless written: no operations are known of it", examples=["http"]),
    ] = None


class NodeShape(BaseModel):
    """A node of a zone; what is not named here is a setting of its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Annotated[Text, Words("kind"), Field(description="what it is", examples=["modality"])]
    title: Annotated[Text | None, Field(description="its name for people", examples=["CT scanner"])] = None
    ae_title: Annotated[
        AeTitle | None,
        Field(description="its DICOM name: 1 to 16 characters (PS3.5 6.2), unique without regard to case"),
        Field(examples=["CT1"]),
    ] = None
    count: Annotated[
        Count | None,
        Field(description="make a series of so many: `mr` becomes `mr-1`, `mr-2`, ...", examples=["40"]),
    ] = None
    address: Annotated[
        Address | None,
        Field(description="its address, a series' first one; counted from .10 unless written"),
        Field(examples=["198.18.10.200"]),
    ] = None
    address6: Annotated[
        Address6 | None,
        Field(description="its IPv6 address; ::10 beside .10 unless written", examples=["2001:2:0:10::200"]),
    ] = None
    manufacturer: Annotated[Text | None, Field(description="who made it", examples=["SYNTHETIC Imaging"])] = None
    model: Annotated[Text | None, Field(description="what its maker calls it", examples=["Helix 64"])] = None
    criticality: Annotated[
        Criticality | None,
        Words("low, moderate or high"),
        Field(description="what its failure would cost", examples=["high"]),
    ] = None
    services: Annotated[
        list[ServiceShape],
        Words("list of services"),
        Field(description="what it listens with beyond its kind, a kind's service on another port, or without TLS"),
        Field(examples=["[{name: dicom, port: 104}]"]),
    ] = []


class ConduitShape(_Shape):
    """A conduit that the zone accepts: a permitted passage to nodes of this zone."""

    id: Annotated[
        ConduitId,
        Field(description="its name, unique in the lab; rules, checks, reports cite it", examples=["acquire"]),
    ]
    from_: Annotated[
        Selectors,
        Field(alias="from", description="who may open it: `zone`, `zone/node`, `zone/series`, or a list of them"),
        Field(examples=["modality"]),
    ]
    to: Annotated[
        Selectors,
        Field(description='nodes or series of this zone, or `"*"` for all of them', examples=["pacs"]),
    ]
    service: Annotated[Text, Words("service"), Field(description="what it leads to", examples=["dicom-tls"])]
    operations: Annotated[
        list[Operation],
        Words("list of operations"),
        Field(description="what may be done over it; needed where the application has operations"),
        Field(examples=["[C-ECHO, C-STORE]"]),
    ] = []
    why: Annotated[
        Text, Field(description="who needs it for what, in a few words", examples=["Scanners store their images."])
    ]
    references: Annotated[
        list[Text],
        Words("list of texts"),
        Field(description="transactions or requirements that ask for it", examples=["[RAD-8, RAD-10]"]),
    ] = []
    owner: Annotated[Text | None, Field(description="by whose leave", examples=["radiology-it"])] = None
    until: Annotated[
        Date | None, Field(description="its last day; after it the lab no longer loads", examples=["2027-06-30"])
    ] = None
    granted: Annotated[
        Boolean, Field(description="closed until somebody grants it; needs `for` or `until`", examples=["true"])
    ] = False
    for_: Annotated[
        Duration | None,
        Field(alias="for", description="how long one grant lasts at most, up to 24h", examples=["30m"]),
    ] = None
    clear_text: Annotated[
        Text | None,
        Field(description="what makes it tolerable that this DICOM, HTTP or HL7 can be read on the way"),
        Field(examples=["Never leaves the server room."]),
    ] = None


class ZoneShape(_Shape):
    """A zone file."""

    zone: Annotated[ZoneName, Field(description="the zone's name", examples=["modality"])]
    title: Annotated[Text | None, Field(description="its name for people", examples=["Imaging modalities"])] = None
    purpose: Annotated[Text | None, Field(description="what the zone is for", examples=["Acquire images."])] = None
    trust: Annotated[
        Text | None,
        Field(description="what its nodes have in common", examples=["devices that cannot defend themselves"]),
    ] = None
    security_level: Annotated[
        Level | None,
        Field(description="target security level, SL-T (IEC 62443-3-3); 0 is the outside", examples=["2"]),
    ] = None
    network: Annotated[
        Network,
        Field(description="inside 198.18.0.0/15 (RFC 2544); the first address is the gateway's"),
        Field(examples=["198.18.10.0/24"]),
    ]
    network6: Annotated[
        Network6 | None,
        Field(description="inside 2001:2::/48 (RFC 5180), a /64 or larger", examples=["2001:2:0:10::/64"]),
    ] = None
    clear_text: Annotated[
        Text | None,
        Field(description="as a conduit's, for every conduit that this zone accepts"),
        Field(examples=["One cable from the archive to its web front."]),
    ] = None
    nodes: Annotated[
        dict[Name, NodeShape],
        Words("mapping of nodes"),
        Field(min_length=1, description="its nodes, by name", examples=["{us-1: {kind: modality, ...}}"]),
    ]
    accepts: Annotated[
        list[ConduitShape],
        Words("list of conduits"),
        Field(description="who may reach them; nothing else may", examples=["[{id: acquire, ...}]"]),
    ] = []


class ZoneUseShape(_Shape):
    """A zone file used by a lab, with only some of its nodes."""

    file: Annotated[
        Text, Words("path"), Field(description="a zone file, seen from the lab file", examples=["../zones/cloud.yaml"])
    ]
    nodes: Annotated[
        list[Name] | None,
        Words("list of names"),
        Field(description="the nodes or series to keep; all unless written", examples=["[ct-1]"]),
    ] = None


class LabShape(_Shape):
    """A lab file."""

    lab: Annotated[ZoneName, Field(description="the lab's name; its containers carry it", examples=["reference"])]
    title: Annotated[
        Text | None, Field(description="its name for people", examples=["Reference imaging department"])
    ] = None
    posture: Annotated[
        Posture,
        Words("segmented, zoned or flat"),
        Field(description="how much of the policy is enforced", examples=["segmented"]),
    ] = Posture.SEGMENTED
    zones: Annotated[
        list[Annotated[ZoneUseShape, BeforeValidator(_zone_use)]],
        Words("list of paths, or of zone uses"),
        Field(min_length=1, description="the zone files, in the order in which everything is listed"),
        Field(examples=["[../zones/modality.yaml]"]),
    ]
    replicas: Annotated[
        dict[str, Count],
        Words("mapping of numbers"),
        Field(description="other counts for series, by `series` or `zone/series`", examples=["{mr: 4}"]),
    ] = {}
    without: Annotated[
        list[str],
        Words("list of selectors"),
        Field(description="zones and nodes to leave out: `zone`, `zone/node`, `zone/series`", examples=["[outside]"]),
    ] = []
