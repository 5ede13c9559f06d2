"""The base image where nothing can be pulled: which mirrors the host's apt configuration names."""

from pathlib import Path

import pytest

from pacslab.engine.base import mirrors, mmdebstrap_argv

ONE_LINE = """
# deb http://old.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian/ bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb https://packages.example/other stable main
"""
DEB822 = """
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
UBUNTU = "deb http://archive.ubuntu.com/ubuntu noble main\n"
DEBIAN_OWN = ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (ONE_LINE, ("http://mirror.example/debian", "http://mirror.example/debian-security")),
        (DEB822, DEBIAN_OWN),
        (UBUNTU, DEBIAN_OWN),
        ("", DEBIAN_OWN),
        # A site's own mirror without security: whether the public one can be reached is not known.
        ("deb http://mirror.example/debian bookworm main", ("http://mirror.example/debian", "")),
    ],
)
def test_mirrors(sources: str, found: tuple[str, str]) -> None:
    assert mirrors(sources) == found


def test_command_asks_for_trixie_whatever_the_host_runs() -> None:
    argv = mmdebstrap_argv(Path("/x/base.tar"), DEB822)
    assert argv[argv.index("trixie") :] == [
        "trixie",
        "/x/base.tar",
        "deb http://deb.debian.org/debian trixie main",
        "deb http://deb.debian.org/debian trixie-updates main",
        "deb http://deb.debian.org/debian-security trixie-security main",
    ]
    assert "--variant=minbase" in argv
