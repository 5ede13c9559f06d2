"""Orthanc's own REST on this node -> what its DICOM client saw, and what it stores; standard library only."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from pacslab.devices.element import pixel_value
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import DONE, Outcome, begin, network_failure
from pacslab.model.device import Layer, Observation

URL = "http://127.0.0.1:8042"
REST_TIMEOUT_S = 120.0
POLL_S = 0.4  # between two looks at what has come
PEER_TIMEOUT_S = 5  # for each answer of the DICOM peer

# What Orthanc 1.12.7 and its DCMTK 3.6.9 say in "Details" -> which layer refused, and how it is called here. The first
# that fits counts. Orthanc does not pass on an A-ASSOCIATE-RJ's numbers.
_SAYINGS: tuple[tuple[str, Layer, str], ...] = (
    (r"TCP Initialization Error: (.*timed? ?out|.*in progress)", Layer.TCP, "timed out"),
    (r"TCP Initialization Error: (.+)", Layer.TCP, ""),
    (r"TLS|SSL|certificate", Layer.TLS, "tls error"),
    (r"DUL Association Rejected|Association Rejected", Layer.ASSOCIATION, "A-ASSOCIATE-RJ"),
    (r"[Nn]o acceptable presentation context|Unable to negotiate", Layer.ASSOCIATION, "presentation context rejected"),
    (r"Peer aborted|aborted", Layer.ASSOCIATION, "A-ABORT"),
    (r"[Tt]imeout|No data available|timed out", Layer.ASSOCIATION, "timed out"),
    (r"closed connection|Connection reset", Layer.TCP, "connection closed"),
    (r"Unrecognized PDU", Layer.ASSOCIATION, "not DICOM"),
    (r"[Ss]tatus:? (?:code )?(0x[0-9A-Fa-f]{4})", Layer.DIMSE, ""),
)


class RestError(Exception):
    """Orthanc's REST answered with an error, or not at all."""

    def __init__(self, outcome: Outcome, code: int = 0) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome
        self.code = code


@dataclass(frozen=True, slots=True)
class Rest:
    """Orthanc's REST on this node."""

    authorization: str

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = REST_TIMEOUT_S) -> bytes:
        """Make one request and give the answer's body.

        Raises:
            RestError: Anything but success, attributed to the layer that refused.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme is fixed
            URL + path, data=data, method=method, headers={"Authorization": self.authorization}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise RestError(attribute(error.code, error.read()), error.code) from error
        except urllib.error.URLError as error:
            reason = error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason))
            raise RestError(Outcome(False, Layer.HTTP, network_failure(reason), "Orthanc's own REST")) from error
        except TimeoutError as error:
            raise RestError(Outcome(False, Layer.HTTP, "timed out", "Orthanc's own REST")) from error

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Make one request and read the answer's JSON."""
        return json.loads(self.call(method, path, body) or b"null")


def attribute(code: int, content: bytes) -> Outcome:
    """Turn an error of Orthanc's REST into which layer of its DICOM client refused; its own refusals are HTTP's."""
    try:
        document = json.loads(content)
    except ValueError:
        document = {}
    message = str(document.get("Message", ""))
    text = ": ".join(part for part in (message, str(document.get("Details", ""))) if part)
    for pattern, layer, status in _SAYINGS:
        found = re.search(pattern, text)
        if found:
            return Outcome(False, layer, status or found.group(found.lastindex or 0).strip().lower(), text)
    return Outcome(False, Layer.HTTP, str(code), text or f"HTTP {code}")


def open_rest(home: Home) -> Rest:
    """Log in to Orthanc's REST.

    Raises:
        UsageError: There is no readable login.
    """
    try:
        login = json.loads(home.rest.read_bytes())
        pair = f"{login['user']}:{login['password']}"
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"no login for Orthanc's REST: {home.rest}: {error}") from error
    return Rest("Basic " + base64.b64encode(pair.encode()).decode())


def _identity(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a store may say instead of the peer's entry (Orthanc: LocalAet, CalledAet, Host, Port)."""
    given = {
        "LocalAet": arguments.calling_ae,
        "CalledAet": arguments.called_ae,
        "Host": arguments.address,
        "Port": arguments.port,
    }
    return {name: value for name, value in given.items() if value is not None}


def echo(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device echo PEER`: a C-ECHO of Orthanc's DICOM client."""
    watch = begin("C-ECHO", arguments.peer)
    rest = open_rest(home)
    identity = _identity(arguments)
    try:
        if identity:
            entry = rest.json("GET", f"/modalities/{arguments.peer}/configuration")
            names = {"LocalAet": "LocalAet", "CalledAet": "AET", "Host": "Host", "Port": "Port"}
            changed = {names[name]: value for name, value in identity.items()}
            rest.call("POST", "/tools/dicom-echo", {**entry, **changed, "Timeout": PEER_TIMEOUT_S})
        else:
            rest.call("POST", f"/modalities/{arguments.peer}/echo", {"Timeout": PEER_TIMEOUT_S})
    except RestError as error:
        return watch.end(error.outcome)
    return watch.end(Outcome(True, Layer.DIMSE, "0x0000", "success"))


def send(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device send PEER --study-uid UID`: C-STORE of a study that Orthanc holds."""
    watch = begin("C-STORE", arguments.peer)
    rest = open_rest(home)
    study = _study(rest, arguments)
    if study is None:
        return watch.end(Outcome(False, Layer.LOCAL, "nothing to send", f"no study {arguments.study_uid} here"))
    body = {
        "Resources": [study],
        "Synchronous": True,
        "Timeout": PEER_TIMEOUT_S,
        "Permissive": False,
        **_identity(arguments),
    }
    try:
        answer = rest.json("POST", f"/modalities/{arguments.peer}/store", body)
    except RestError as error:
        return watch.end(error.outcome, instances=0, failed=0)
    instances, failed = int(answer["InstancesCount"]), int(answer["FailedInstancesCount"])
    if failed:
        outcome = Outcome(False, Layer.DIMSE, "failed", f"{failed} of {instances} instances")
    else:
        outcome = Outcome(True, Layer.DIMSE, "0x0000", f"{instances} instances stored")
    return watch.end(outcome, instances=instances, failed=failed, studies=[arguments.study_uid])


def _study(rest: Rest, arguments: argparse.Namespace) -> str | None:
    """Find Orthanc's own id of the study asked for."""
    if not arguments.study_uid:
        raise UsageError("which study? give --study-uid; `device studies` lists them")
    found = rest.json("POST", "/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": arguments.study_uid}})
    return str(found[0]) if found else None


def find(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device find PEER`: a C-FIND of Orthanc's DICOM client."""
    watch = begin("C-FIND", arguments.peer)
    rest = open_rest(home)
    keys = {
        "AccessionNumber": arguments.accession,
        "PatientID": arguments.patient_id,
        "PatientName": arguments.patient_name,
        "StudyInstanceUID": arguments.study_uid,
        "SeriesInstanceUID": arguments.series_uid,
    }
    # PS3.4 C.6.2.1: only the keys of the level and of those above it.
    level = {"STUDY": "Study", "SERIES": "Series", "IMAGE": "Instance"}[arguments.level]
    wanted = {name: value for name, value in keys.items() if value or (level == "Study" and name[:6] != "Series")}
    query = {"Level": level, "Query": wanted, "Timeout": PEER_TIMEOUT_S}
    try:
        made = rest.json("POST", f"/modalities/{arguments.peer}/query", query)
        answers = rest.json("GET", f"/queries/{made['ID']}/answers?expand&simplify")
        rest.call("DELETE", f"/queries/{made['ID']}")
    except RestError as error:
        return watch.end(error.outcome, matches=[], count=0)
    return watch.end(Outcome(True, Layer.DIMSE, "0x0000", "success"), matches=answers, count=len(answers))


def get(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device get PEER --study-uid UID`: a C-GET of Orthanc's DICOM client; the study is stored here."""
    watch = begin("C-GET", arguments.peer)
    rest = open_rest(home)
    body = {
        "Level": "Study",
        "Resources": [{"StudyInstanceUID": arguments.study_uid}],
        "Synchronous": True,
        "Timeout": PEER_TIMEOUT_S,
    }
    try:
        rest.call("POST", f"/modalities/{arguments.peer}/get", body)
        study = _study(rest, arguments)
        hashes = _hashes(rest, study) if study else {}
    except RestError as error:
        return watch.end(error.outcome, received=0, pixel_sha256={})
    if not hashes:
        outcome = Outcome(False, Layer.DIMSE, "nothing received", "Orthanc reports success, but nothing came")
        return watch.end(outcome, received=0, pixel_sha256={})
    return watch.end(Outcome(True, Layer.DIMSE, "0x0000", "success"), received=len(hashes), pixel_sha256=hashes)


def studies(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device studies`: what Orthanc holds, and from where each instance came."""
    del arguments
    watch = begin("studies")
    rest = open_rest(home)
    try:
        held = [_describe(rest, study) for study in rest.json("GET", "/studies?expand")]
    except RestError as error:
        return watch.end(error.outcome, studies=[], count=0)
    return watch.end(DONE, studies=held, count=len(held))


def _describe(rest: Rest, study: dict[str, Any]) -> dict[str, Any]:
    instances = rest.json("GET", f"/studies/{study['ID']}/instances?expand&requestedTags=SOPInstanceUID")
    first = instances[0]["ID"] if instances else None
    # FACTS 1.12: provenance is instance metadata.
    origin = rest.json("GET", f"/instances/{first}/metadata?expand") if first else {}
    return {
        "study_uid": study["MainDicomTags"].get("StudyInstanceUID", ""),
        **_identity_of(study),
        "stable": bool(study.get("IsStable", False)),
        "instances": len(instances),
        "remote_ae": origin.get("RemoteAET", ""),
        "remote_ip": origin.get("RemoteIP", ""),
        "called_ae": origin.get("CalledAET", ""),
        "received": origin.get("ReceptionDate", ""),
        "transfer_syntax": origin.get("TransferSyntax", ""),
    }


def hash_study(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device hash --study-uid UID`: pixel SHA-256 per SOP Instance UID of what Orthanc holds, once it is all there."""
    watch = begin("hash")
    rest = open_rest(home)
    deadline = time.monotonic() + arguments.wait
    try:
        held = _wait_for_study(rest, arguments, deadline)
        started = time.monotonic()
        study = _study(rest, arguments)
        identity = _identity_of(rest.json("GET", f"/studies/{study}")) if study else {}
        hashes = _hashes(rest, study) if study else {}
    except RestError as error:
        return watch.end(error.outcome, instances=0, pixel_sha256={})
    facts = {
        **identity,
        "instances": len(hashes),
        "pixel_sha256": hashes,
        "hashing_s": round(time.monotonic() - started, 3),
    }
    if held < max(1, arguments.instances):
        wanted = f" of {arguments.instances} instances" if arguments.instances else ""
        what = f"study {arguments.study_uid} here"
        detail = f"{held}{wanted} of {what}" if held else f"no {what}"
        waited = f" after {arguments.wait:g} s" if arguments.wait else ""
        return watch.end(Outcome(False, Layer.LOCAL, "incomplete" if held else "not found", detail + waited), **facts)
    return watch.end(DONE, **facts)


def _identity_of(study: dict[str, Any]) -> dict[str, str]:
    """Whose study it is, as Orthanc has it."""
    return {
        "accession": study["MainDicomTags"].get("AccessionNumber", ""),
        "patient_id": study["PatientMainDicomTags"].get("PatientID", ""),
    }


def _wait_for_study(rest: Rest, arguments: argparse.Namespace, deadline: float) -> int:
    """Look until a study has as many instances as wanted; how many it has at last.

    Raises:
        RestError: Orthanc, or its index, still does not answer when the wait is over.
    """
    while True:
        held = 0
        try:
            study = _study(rest, arguments)
            held = int(rest.json("GET", f"/studies/{study}/statistics")["CountInstances"]) if study else 0
        except RestError:
            if time.monotonic() > deadline:
                raise
        if held >= max(1, arguments.instances) or time.monotonic() > deadline:
            return held
        time.sleep(POLL_S)


def _hashes(rest: Rest, study: str) -> dict[str, str | None]:
    instances = rest.json("GET", f"/studies/{study}/instances?expand")
    return {item["MainDicomTags"]["SOPInstanceUID"]: _pixel_hash(rest, item["ID"]) for item in instances}


def _pixel_hash(rest: Rest, instance: str) -> str | None:
    """Hash the PixelData value as Orthanc stores it; None where it found none."""
    metadata = rest.json("GET", f"/instances/{instance}/metadata?expand")
    if "PixelDataOffset" not in metadata:
        return None
    file = rest.call("GET", f"/instances/{instance}/file")
    value = pixel_value(file, int(metadata["PixelDataOffset"]), metadata.get("TransferSyntax", ""))
    return hashlib.sha256(value).hexdigest()
