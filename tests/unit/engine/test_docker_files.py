"""The tar that carries files into a container."""

import io
import tarfile

import pytest

from pacslab.engine.docker_files import archive
from pacslab.model.plan import File


def entries(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: entry for entry in tar}


def test_file_has_its_mode_owner_and_filled_in_content() -> None:
    data = archive([(File("/etc/pacslab/rest.json", "{{token}}", 0o400, 1000), b"secret")])
    entry = entries(data)["etc/pacslab/rest.json"]
    assert (entry.mode, entry.uid, entry.gid, entry.size) == (0o400, 1000, 1000, 6)
    assert b"token" not in data


def test_directories_are_made_once_and_belong_to_the_first_file_beneath() -> None:
    files = [File("/etc/pacslab/tls/key.pem", ""), File("/etc/pacslab/tls/ca.pem", "", uid=0)]
    found = entries(archive([(file, b"") for file in files]))
    assert list(found) == ["etc/pacslab/tls", "etc/pacslab/tls/key.pem", "etc/pacslab/tls/ca.pem"]
    assert (found["etc/pacslab/tls"].isdir(), found["etc/pacslab/tls"].mode, found["etc/pacslab/tls"].uid) == (
        True,
        0o755,
        1000,
    )


def test_directories_of_the_image_are_left_alone() -> None:
    found = entries(archive([(File("/tmp/x", ""), b""), (File("/var/lib/pacslab/a/b", ""), b"")]))
    assert list(found) == ["tmp/x", "var/lib/pacslab/a", "var/lib/pacslab/a/b"]


@pytest.mark.parametrize("path", ["etc/x", "/etc/../root/x"])
def test_path_that_could_land_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not an absolute path"):
        archive([(File(path, ""), b"")])
