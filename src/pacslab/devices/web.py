"""`device search` and `retrieve`: keys -> DICOMweb matches, and a study's instances as files in received/STUDY."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError

from pacslab.devices.files import uid_path, write_whole
from pacslab.devices.home import Home, Target
from pacslab.devices.observing import Outcome, Watch, begin, network_failure
from pacslab.devices.pixels import pixel_sha256, read_instance
from pacslab.model.device import Layer, Observation

TIMEOUT_S = (5.0, 60.0)  # to connect; between two pieces of an answer
DONE = Outcome(True, Layer.HTTP, "200", "success")

# PS3.18 table 10.6.1-5: what a search returns of a study.
FIELDS = (
    "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "PatientName", "PatientID", "StudyInstanceUID",
    "StudyDescription", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip


def search(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device search PEER`: QIDO-RS for studies (PS3.18 10.6)."""
    given = {
        "AccessionNumber": arguments.accession,
        "PatientID": arguments.patient_id,
        "PatientName": arguments.patient_name,
        "StudyInstanceUID": arguments.study_uid,
    }
    keys = {keyword: value for keyword, value in given.items() if value}

    def ask(client: DICOMwebClient) -> tuple[Outcome, dict[str, Any]]:
        found = client.search_for_studies(search_filters=keys, fields=list(FIELDS))
        matches = [plain(item) for item in found]
        return DONE, {"matches": matches, "count": len(matches)}

    return _attempt(home, arguments, begin("QIDO-RS", arguments.target.node), ask)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """Turn one match in the DICOM JSON model (PS3.18 F.2) into values by keyword."""
    tags = {keyword: f"{tag_for_keyword(keyword):08X}" for keyword in FIELDS}
    return {keyword: _value(item.get(tag, {}).get("Value", [])) for keyword, tag in tags.items()}


def _value(values: list[Any]) -> Any:
    words = [str(value["Alphabetic"] if isinstance(value, dict) else value) for value in values]
    return words if len(words) > 1 else "".join(words)


def retrieve(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device retrieve PEER --study-uid UID`: WADO-RS of a study (PS3.18 10.4), in the syntaxes it is kept in."""
    study = arguments.study_uid

    def ask(client: DICOMwebClient) -> tuple[Outcome, dict[str, Any]]:
        # An answer that breaks off between two parts looks complete: what should come is asked beforehand.
        listed = client.search_for_instances(study_instance_uid=study, fields=["SOPInstanceUID"])
        expected = {item["00080018"]["Value"][0] for item in listed}
        paths = [
            _keep(home, study, dataset)
            for dataset in client.iter_study(study, media_types=(("application/dicom", "*"),))
        ]
        instances = [read_instance(path) for path in paths]
        hashes = {instance.sop_instance: pixel_sha256(instance) for instance in instances}
        facts = {"received": len(hashes), "pixel_sha256": hashes, "folder": str(home.data / "received" / study)}
        if lacking := expected - set(hashes):
            return Outcome(False, Layer.HTTP, "incomplete", f"{len(lacking)} of {len(expected)} did not come"), facts
        return DONE, facts

    return _attempt(home, arguments, begin("WADO-RS", arguments.target.node), ask)


def _keep(home: Home, study: str, dataset: pydicom.Dataset) -> Path:
    """Write an instance as received/STUDY/INSTANCE.dcm.

    Raises:
        ValueError: It is of another study, or what it calls its UID is none.
    """
    if str(dataset.StudyInstanceUID) != study:
        raise ValueError(f"an instance of study {dataset.StudyInstanceUID} came")
    path = uid_path(home.folder("received"), study, str(dataset.SOPInstanceUID), suffix=".dcm")
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())
    return path


def connect(home: Home, target: Target) -> DICOMwebClient:
    """Make a client that shows this node's certificate and wants one of the lab's CA with the peer's name."""
    session = requests.Session()
    session.cert = (str(home.certificate), str(home.key))
    session.verify = str(home.ca)
    session.trust_env = False
    client = DICOMwebClient(f"https://{target.address}:{target.port}/dicom-web", session=session, timeout=TIMEOUT_S)
    client.set_http_retry_params(retry=False)
    return client


def _attempt(
    home: Home,
    arguments: argparse.Namespace,
    watch: Watch,
    ask: Callable[[DICOMwebClient], tuple[Outcome, dict[str, Any]]],
) -> Observation:
    try:
        outcome, facts = ask(connect(home, arguments.target))
    except requests.HTTPError as error:
        return watch.end(Outcome(False, Layer.HTTP, str(error.response.status_code), str(error)))
    except requests.exceptions.SSLError as error:
        return watch.end(Outcome(False, Layer.TLS, "tls error", str(error)))
    except requests.Timeout as error:
        return watch.end(Outcome(False, Layer.TCP, "timed out", str(error)))
    except requests.RequestException as error:
        return watch.end(Outcome(False, Layer.TCP, network_failure(_cause(error)), str(error)))
    except (InvalidDicomError, ValueError, AttributeError, KeyError) as error:  # an answer that is not what was asked
        return watch.end(Outcome(False, Layer.HTTP, "not understood", f"{type(error).__name__}: {error}"))
    return watch.end(outcome, **facts)


def _cause(error: BaseException) -> OSError:
    """The operating system's own error below those of the HTTP libraries."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and not isinstance(found, requests.RequestException):
            return found
        found = found.__cause__ or found.__context__
    return OSError(str(error))
