"""A simulated scanner: acquires, stores, is told of storage commitment, and may have a service console."""

from __future__ import annotations

from dataclasses import replace

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import DICOM_TLS, MIB, Kind, Parts, Seat, SettingSpec
from pacslab.kinds.ssh import server_files
from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Node, Service
from pacslab.model.plan import File

# Whatever the visitor asks for, the console is what runs: no shell, no file transfer.
CONSOLE_ONLY = "ForceCommand /usr/local/bin/device console\nPermitUserRC no\nDisableForwarding yes\n"


def _services(node: Node) -> tuple[Service, ...]:
    console = (Service("ssh", Application.SSH, 22),) if node.setting("service_console") == ("true",) else ()
    return (DICOM_TLS, *console)


def _parts(seat: Seat) -> Parts:
    return Parts(files=(*device_files(seat), *_console(seat)), keeps_data=True, memory_bytes=1024 * MIB)


def _console(seat: Seat) -> tuple[File, ...]:
    """The service console lets in the people who come by a bastion; a bastion has no key of its own."""
    if seat.node.service("ssh") is None:
        return ()
    visitors = tuple(node for node in seat.visitors(Application.SSH) if node.kind != "bastion")
    config, *keys = server_files(seat, visitors)
    return (replace(config, text=config.text + CONSOLE_ONLY), *keys)


KIND = Kind(
    name="modality",
    title="acquiring device (CT, MR, US)",
    image="modality",
    services=_services,
    parts=_parts,
    settings=(
        SettingSpec(
            "modality", "what it acquires (PS3.3 C.7.3.1.1.1)", required=True, choices=("CT", "MR", "US"), example="CT"
        ),
        SettingSpec(
            "schedule",
            "how often it looks for a scheduled procedure and performs it; where it knows no RIS, it acquires a study "
            "of its own",
            pattern="every [1-9][0-9]{0,3}[smh]",
            example="every 10m",
        ),
        SettingSpec(
            "service_console", "an ssh console for the vendor's service", choices=("true", "false"), example="true"
        ),
    ),
    needs_ae_title=True,
    attempts=frozenset({Operation.C_ECHO, Operation.C_STORE, Operation.C_FIND, Operation.C_MOVE}),
)
