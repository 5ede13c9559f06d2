"""A node's end of its cable -> the probes, replies and ICMP messages seen there, in both directions."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

from pacslab.fabric.netlink import enlarge_receive_buffer
from pacslab.fabric.packets import PORT_BITS, PORT_MASK, TCP, UDP

_ETH_P_ALL, _ETH_P_IP, _ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD  # a socket bound to one protocol is not shown what goes out
_OUTGOING = 4  # PACKET_OUTGOING
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_ATTACH_FILTER = 26
_SNAP_BYTES = 128
_BUFFER_BYTES = 8 << 20  # a promise, not an allocation

# Classic BPF, linux/filter.h: (code, jump if true, jump if false, operand); a socket of SOCK_DGRAM filters from the IP
# header on. Of TCP and UDP it takes what has a probe's port on either side, and of all else everything but later
# fragments, which have no ports.
_LDB, _LDH, _LDH_X, _LDX_IHL, _LDX, _AND, _JEQ, _JSET, _RET = 0x30, 0x28, 0x48, 0xB1, 0x01, 0x54, 0x15, 0x45, 0x06
_SKB_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the frame's EtherType
PROBES_ONLY = (
    (_LDH, 0, 0, _SKB_PROTOCOL),
    (_JEQ, 5, 0, _ETH_P_IP),
    (_JEQ, 0, 17, _ETH_P_IPV6),
    (_LDX, 0, 0, 40),  # where its next header begins
    (_LDB, 0, 0, 6),
    (_JEQ, 7, 0, TCP),
    (_JEQ, 6, 12, UDP),
    (_LDH, 0, 0, 6),
    (_JSET, 11, 0, 0x1FFF),
    (_LDX_IHL, 0, 0, 0),
    (_LDB, 0, 0, 9),  # protocol
    (_JEQ, 1, 0, TCP),
    (_JEQ, 0, 6, UDP),
    (_LDH_X, 0, 0, 0),  # source port
    (_AND, 0, 0, PORT_MASK),
    (_JEQ, 3, 0, PORT_BITS),
    (_LDH_X, 0, 0, 2),  # destination port
    (_AND, 0, 0, PORT_MASK),
    (_JEQ, 0, 1, PORT_BITS),
    (_RET, 0, 0, _SNAP_BYTES),
    (_RET, 0, 0, 0),
)


class Capture:
    """A packet socket at one interface of the namespace the thread is in when it is opened."""

    def __init__(self, interface: str) -> None:
        # Without a protocol it hears nothing until it is bound, and by then the filter is in place.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        try:
            enlarge_receive_buffer(self.socket, _BUFFER_BYTES)
            _attach(self.socket)
            self.socket.bind((interface, _ETH_P_ALL))
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def frames(self) -> Iterator[tuple[bool, bytes]]:
        """All packets waiting: whether each was going out, and its first bytes from the IP header on."""
        receive = self.socket.recvfrom
        while True:
            try:
                data, address = receive(_SNAP_BYTES)
            except BlockingIOError:
                return
            yield address[2] == _OUTGOING, data

    def losses(self) -> int:
        """How many packets the kernel could not keep for this capture since the last call."""
        statistics = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", statistics)[1])

    def close(self) -> None:
        """End the capture."""
        self.socket.close()


def _attach(sock: socket.socket) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in PROBES_ONLY))
    program = struct.pack("@HP", len(PROBES_ONLY), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
