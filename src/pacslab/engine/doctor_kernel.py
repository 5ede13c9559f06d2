"""The kernel and disk under the engine -> findings: tried out in a short-lived fabric container where there is one."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from platform import release

from pacslab.engine.docker import Docker
from pacslab.errors import PacslabError
from pacslab.model.plan import Container

_DISK_WANTED_KIB = 4 * 1024**2  # nine images and a day's studies

# The shapes the generated ruleset uses (FACTS 4), loaded for real: `nft -c` does not load what the kernel needs.
_RULESET = """
table inet pacslab {
  map verdicts {
    typeof ip saddr . ip daddr . meta l4proto . th dport : verdict
    counter
    elements = { 198.18.0.1 . 198.18.0.2 . tcp . 104 counter comment "x" : accept }
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    ip saddr . ip daddr . meta l4proto . th dport vmap @verdicts
    %s counter drop
  }
}
"""


class Fitness(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    LACK = "lack"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    name: str
    state: Fitness
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Trial:
    """Something the fabric will do, tried beforehand."""

    name: str
    script: str
    modules: tuple[str, ...]
    advice: str


def _nft(logging: str) -> str:
    return f"nft -f - <<'END' && nft delete table inet pacslab{_RULESET % logging}END\n"


_MODPROBE = "on the engine's host: `modprobe {}`; a kernel without it needs its distribution's full modules package"
_TRIALS = (
    _Trial(
        "veth",
        "ip link add pl0 type veth peer name pl1 && ip link del pl0",
        ("veth",),
        _MODPROBE.format("veth"),
    ),
    _Trial(
        "nf_tables",
        _nft(""),
        ("nf_tables", "nf_conntrack"),
        _MODPROBE.format("nf_tables nf_conntrack nft_ct"),
    ),
    _Trial(
        "nfnetlink_log",
        _nft('log group 1 prefix "pacslab"'),
        ("nfnetlink_log",),
        _MODPROBE.format("nft_log nfnetlink_log"),
    ),
    _Trial(
        "conntrack",
        "conntrack -L >/dev/null && test -e /proc/sys/net/netfilter/nf_conntrack_tcp_loose",
        ("nf_conntrack", "nf_conntrack_netlink"),
        _MODPROBE.format("nf_conntrack nf_conntrack_netlink"),
    ),
    _Trial(
        "ipv6 switch",
        "test -e /proc/sys/net/ipv6/conf/all/disable_ipv6",
        (),
        "nodes switch IPv6 off for themselves; boot the engine's host without ipv6.disable=1",
    ),
)


def examine_kernel(docker: Docker, fabric: str | None, engine_root: Path) -> Iterator[Finding]:
    """Try what the fabric does on the engine's host; without its image, look at this machine if the engine is here.

    Args:
        docker: The engine.
        fabric: Tag of the fabric's image; None: it is not built.
        engine_root: Where the engine keeps its images.
    """
    if fabric is None:
        yield from _examine_this_host(engine_root) if docker.local else _unknown()
        return
    name = f"pacslab-doctor-{secrets.token_hex(4)}"
    labels = {"pacslab.doctor": name}
    sleeper = Container(name=name, node="doctor", zone="", kind="fabric", image=fabric, command=("sleep", "60"))
    node = replace(sleeper, name=f"{name}-node")
    try:
        docker.create_fabric(sleeper, labels, ())
        docker.start(name)
        for trial in _TRIALS:
            yield _try_out(docker, name, trial)
        docker.create(node, labels, ())
        yield _try_out(docker, name, _entering(docker.start(node.name).pid))
        yield _engine_disk(docker, name)
    except PacslabError as error:
        yield Finding("fabric", Fitness.LACK, error.message, error.hint)
    finally:
        docker.remove(name)
        docker.remove(node.name)


def _entering(pid: int) -> _Trial:
    advice = "the fabric lays cables into its nodes' namespaces; a security module of the engine's host forbids it"
    return _Trial("other namespaces", f"nsenter --net=/proc/{pid}/ns/net ip link show lo", (), advice)


def _try_out(docker: Docker, container: str, trial: _Trial) -> Finding:
    done = docker.exec(container, ("sh", "-c", trial.script))
    if done.exit_code == 0:
        return Finding(trial.name, Fitness.OK, "works in a container")
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[:1]
    return Finding(trial.name, Fitness.LACK, f"does not work in a container: {' '.join(said)}", trial.advice)


def _engine_disk(docker: Docker, container: str) -> Finding:
    """A container's root is on the engine's disk, wherever that is."""
    lines = docker.exec(container, ("df", "-Pk", "/")).stdout.decode().splitlines()
    return _disk(int(lines[-1].split()[3]))


def _disk(free_kib: int) -> Finding:
    found = f"{free_kib / 1024**2:.1f} GiB free for images and containers"
    if free_kib < _DISK_WANTED_KIB:
        advice = "`docker system df` shows what takes space; `docker builder prune` and `docker image prune` are safe"
        return Finding("engine's disk", Fitness.WARNING, found, advice)
    return Finding("engine's disk", Fitness.OK, found)


def _examine_this_host(engine_root: Path) -> Iterator[Finding]:
    modules = Path("/lib/modules") / release()
    known = "".join(
        (modules / name).read_text() for name in ("modules.dep", "modules.builtin") if (modules / name).is_file()
    ).replace("-", "_")
    for trial in _TRIALS:
        if trial.modules:
            yield _look_for(trial, known)
    if engine_root.is_dir():
        yield _disk(shutil.disk_usage(engine_root).free // 1024)


def _look_for(trial: _Trial, known: str) -> Finding:
    absent = [name for name in trial.modules if not Path("/sys/module", name).exists() and f"/{name}.ko" not in known]
    if not absent:
        return Finding(trial.name, Fitness.OK, "this kernel has it; tried out once the fabric's image is built")
    advice = f"build the images and run this again to be sure; {trial.advice}"
    return Finding(trial.name, Fitness.WARNING, f"this kernel does not show {', '.join(absent)}", advice)


def _unknown() -> Iterator[Finding]:
    found = "the engine is on another machine, and the fabric's image is not built yet"
    yield Finding("kernel", Fitness.WARNING, found, "run `pacslab images build`, then this again")
