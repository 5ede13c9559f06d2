"""An accession number -> every study that dicomweb-client finds under it, with the pixels it retrieves."""

from __future__ import annotations

import hashlib
import json
import sys

import requests
from dicomweb_client.web import DICOMwebClient


def main(url: str, tls: str, accession: str) -> None:
    """Search by accession number and retrieve; print JSON."""
    session = requests.Session()
    session.cert = (f"{tls}/certificate.pem", f"{tls}/key.pem")
    session.verify = f"{tls}/ca.pem"
    session.trust_env = False
    client = DICOMwebClient(url, session=session)
    studies = [
        match["0020000D"]["Value"][0]
        for match in client.search_for_studies(search_filters={"AccessionNumber": accession})
    ]
    print(json.dumps([{"study_uid": study, "pixel_sha256": _pixels(client, study)} for study in studies]))


def _pixels(client: DICOMwebClient, study: str) -> dict[str, str]:
    images = client.retrieve_study(study, media_types=(("application/dicom", "*"),))
    return {
        str(image.SOPInstanceUID): hashlib.sha256(image.get_item("PixelData").value).hexdigest() for image in images
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
