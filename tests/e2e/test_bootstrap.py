"""lab/bootstrap: makes a virtual environment once, starts an engine only where none is, and says what it cannot do."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pacslab.engine.image_inputs import repository_root

pytestmark = pytest.mark.e2e

ROOT = repository_root()
# All it takes to install pacslab itself: a small lock makes the test quick, and its hashes are the real lock's.
BUILD_PACKAGES = ("hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")


def bootstrap(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "lab/bootstrap", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("lab/bootstrap", "pyproject.toml", "README.md", "LICENSE", "src/pacslab/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    lock = (ROOT / "requirements.lock").read_text()
    entries = [re.search(rf"^{name}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL) for name in BUILD_PACKAGES]
    (root / "requirements.lock").write_text("".join(entry[0] for entry in entries if entry))
    return root


def test_first_run_installs_second_is_quick_and_a_new_lock_is_noticed(checkout: Path) -> None:
    first = bootstrap(checkout, "--no-engine")
    assert first.returncode == 0, first.stderr
    assert "installing the locked packages" in first.stderr
    where = subprocess.run(
        [checkout / ".venv/bin/python", "-c", "import pacslab; print(pacslab.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == str(checkout / "src/pacslab/__init__.py")

    began = time.monotonic()
    second = bootstrap(checkout, "--no-engine")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert time.monotonic() - began < 3  # 0.3 s on an idle machine

    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "installing the locked packages" in bootstrap(checkout, "--no-engine").stderr

    lock_text = (checkout / "requirements.lock").read_text()
    try:
        (checkout / "requirements.lock").write_text(lock_text.replace("==", "==999.", 1))
        broken = bootstrap(checkout, "--no-engine")
    finally:
        (checkout / "requirements.lock").write_text(lock_text)
    assert broken.returncode == 3
    assert "failed: installing the locked packages" in broken.stderr


def test_usage() -> None:
    assert bootstrap(ROOT, "--help").stdout.startswith("Usage: lab/bootstrap")
    wrong = bootstrap(ROOT, "--nonsense")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_engine_that_runs_is_left_alone() -> None:
    before = engine_process()
    assert bootstrap(ROOT).returncode == 0
    done = bootstrap(ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert engine_process() == before


def engine_process() -> list[tuple[str, str]]:
    """Number and start time of each dockerd of this machine (proc(5): field 22 of stat)."""
    stats = [path.read_text().split() for path in Path("/proc").glob("[0-9]*/stat") if os.access(path, os.R_OK)]
    return [(fields[0], fields[21]) for fields in stats if fields[1] == "(dockerd)"]


def test_engine_elsewhere_is_not_replaced_by_one_here() -> None:
    done = bootstrap(ROOT, DOCKER_HOST="tcp://127.0.0.1:9")
    assert done.returncode == 3
    assert "no Docker engine answers at tcp://127.0.0.1:9" in done.stderr
    assert "unset it" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("dockerd"), reason="starts a second dockerd, apart, as root")
@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="there systemd starts it")
def test_engine_is_started_where_none_is_even_after_one_died(tmp_path: Path) -> None:
    """In namespaces of its own, where no engine runs, a dead one's pid file names a living process."""
    script = tmp_path / "apart.sh"
    script.write_text(
        f"""set -eu
        mount --make-rprivate /
        for place in /run /var/lib/docker /var/log; do mount -t tmpfs none $place; done
        echo 1 > /run/docker.pid
        ip link set lo up
        cd {ROOT}
        lab/bootstrap
        lab/bootstrap && echo again
        .venv/bin/python -c 'from pacslab.engine.docker import Docker as D; print(D.connect().list())'
        stat -c %a /var/log/pacslab-dockerd.log
        """
    )
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--net", "--kill-child", "--mount-proc", "bash", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["again", "()", "600"]
    assert done.stderr.splitlines() == [
        "bootstrap: starting dockerd, log in /var/log/pacslab-dockerd.log",
        "bootstrap: the Docker engine answers",
    ]
