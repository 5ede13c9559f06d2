"""Seat -> the files of an OpenSSH server or client that knows exactly its peers."""

from __future__ import annotations

from pacslab.kinds.kind import Seat, port
from pacslab.model.dicom import Application
from pacslab.model.lab import Node
from pacslab.model.plan import File, Material, MaterialKind

USER = "node"  # the one account of a node image, uid 1000
HOME = "/var/lib/pacslab"
SSH_PORT = 22

_HARDENED = """\
Port {port}
AddressFamily inet
PidFile none
UsePAM no
StrictModes yes
HostKey /etc/pacslab/ssh/host_key
AuthorizedKeysFile /etc/pacslab/ssh/authorized_keys
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin no
AllowUsers node
AllowAgentForwarding no
AllowStreamLocalForwarding no
GatewayPorts no
PermitTunnel no
X11Forwarding no
PermitUserEnvironment no
MaxAuthTries 3
MaxSessions 4
LoginGraceTime 20
ClientAliveInterval 15
ClientAliveCountMax 2
LogLevel VERBOSE
# A probe connects and says nothing; that is no reason to lock its node out of the next, real login.
PerSourcePenalties noauth:0
"""


def server_files(seat: Seat, visitors: tuple[Node, ...]) -> tuple[File, ...]:
    """An sshd for these visitors; it forwards only to what the policy lets this node open by ssh.

    Args:
        seat: The node that runs the server.
        visitors: Nodes whose keys are let in.
    """
    targets = sorted({f"{f.destination_address}:{f.port}" for f in seat.reaches(Application.SSH)})
    forwarding = f"AllowTcpForwarding local\nPermitOpen {' '.join(targets)}\n" if targets else "AllowTcpForwarding no\n"
    keys = "".join(_public(f"login/{visitor.name}") + "\n" for visitor in visitors)
    return (
        File("/etc/pacslab/sshd_config", _HARDENED.format(port=seat.port("ssh")) + forwarding),
        File("/etc/pacslab/ssh/host_key", Material(MaterialKind.SSH_KEY, f"host/{seat.node.name}").token, 0o400),
        File("/etc/pacslab/ssh/authorized_keys", keys),
    )


def client_files(node: Node, servers: tuple[Node, ...], via: Node | None = None) -> tuple[File, ...]:
    """A login key, the servers' host keys, and `ssh NAME` that jumps through `via` where it must."""
    config = "".join(_host(server, via) for server in servers)
    known = "".join(f"{_known(server)} {_public(f'host/{server.name}')}\n" for server in servers)
    key = Material(MaterialKind.SSH_KEY, f"login/{node.name}").token
    return (
        File(f"{HOME}/.ssh/id_ed25519", key, 0o400),
        File(f"{HOME}/.ssh/known_hosts", known),
        File(f"{HOME}/.ssh/config", config),
    )


def _host(server: Node, via: Node | None) -> str:
    jump = f"  ProxyJump {via.name}\n" if via is not None and via != server else ""
    return (
        f"Host {server.name}\n  HostName {server.address}\n  User {USER}\n"
        f"{_port(server)}  StrictHostKeyChecking yes\n  ConnectTimeout 5\n{jump}"
    )


def _port(server: Node) -> str:
    number = port(server, [Application.SSH], SSH_PORT)
    return "" if number == SSH_PORT else f"  Port {number}\n"


def _known(server: Node) -> str:
    """A server's names in known_hosts (sshd(8)): with its port where that is not ssh's own."""
    number = port(server, [Application.SSH], SSH_PORT)
    names = (server.name, str(server.address))
    return ",".join(names if number == SSH_PORT else (f"[{name}]:{number}" for name in names))


def _public(name: str) -> str:
    return Material(MaterialKind.SSH_PUBLIC_KEY, name).token
