"""A bastion: the one door for outsiders with a task, by ssh with keys, forwarding only where the policy says."""

from __future__ import annotations

from pacslab.kinds.kind import MIB, Kind, Parts, Seat
from pacslab.kinds.ssh import server_files
from pacslab.model.dicom import Application
from pacslab.model.lab import Service


def _parts(seat: Seat) -> Parts:
    return Parts(files=server_files(seat, seat.visitors(Application.SSH)), memory_bytes=128 * MIB)


KIND = Kind(
    name="bastion",
    title="ssh bastion",
    image="bastion",
    services=lambda _: (Service("ssh", Application.SSH, 22),),
    parts=_parts,
)
