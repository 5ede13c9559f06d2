"""`device serve` on an archive: runs Orthanc and, beside it, delivers what is complete to where it goes on."""

from __future__ import annotations

import argparse
import itertools
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pacslab.devices.files import read_json
from pacslab.devices.forward import Forwarder
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import Outcome, begin, network_failure, say
from pacslab.devices.orthanc import open_rest
from pacslab.devices.queue import Trouble, read_trouble, write_trouble
from pacslab.model.device import ORTHANC_FILE, Layer, Observation, Peer

DATABASE_TIMEOUT_S = 1.0
DATABASE_PAUSE_S = 0.05  # at start it waits for its cable above all
DATABASE_SAY_EVERY = 20  # attempts
CLIENT_FAILED = re.compile(rb"^E[^]]*HttpClient[.]cpp:[0-9]+[]] (.*)")
STOP_TIMEOUT_S = 8.0  # less than the engine gives before it kills


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped, or until Orthanc ends."""
    del arguments
    watch = begin("serve")
    peers = [_peer(home, name) for name in home.device.forwards]
    rest = open_rest(home)
    _await_database()
    orthanc = subprocess.Popen(["Orthanc", ORTHANC_FILE], stderr=subprocess.PIPE)
    log = _Log(orthanc)
    threading.Thread(target=log.run, name="log", daemon=True).start()
    troubles = _Troubles(home.data)
    marking = threading.Lock()
    for peer in peers:
        forwarder = Forwarder(rest, peer, marking, troubles.tell, log.why)
        threading.Thread(target=forwarder.run, name=f"forward to {peer.node}", daemon=True).start()
    return watch.end(_watch(orthanc))


def _peer(home: Home, name: str) -> Peer:
    """The entry of a destination.

    Raises:
        UsageError: It has none with a port.
    """
    for peer in home.device.peers:
        if peer.node == name and peer.port is not None:
            return peer
    raise UsageError(f"cannot forward to {name}: it is no peer that this node may open a connection to")


def _await_database() -> None:
    """Wait until the server of Orthanc's index takes connections; at start this is the normal case."""
    index = read_json(Path(ORTHANC_FILE)).get("PostgreSQL")
    if index is None:
        return
    place = str(index["Host"]), int(index["Port"])
    for since in itertools.count():
        try:
            socket.create_connection(place, DATABASE_TIMEOUT_S).close()
        except OSError as error:
            if since % DATABASE_SAY_EVERY == 0 and since:
                say(f"waiting for the database at {place[0]}:{place[1]}: {network_failure(error)}")
            time.sleep(DATABASE_PAUSE_S)
        else:
            return


def _watch(orthanc: subprocess.Popen[bytes]) -> Outcome:
    try:
        code = orthanc.wait()
    except KeyboardInterrupt:
        orthanc.terminate()
        try:
            orthanc.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            orthanc.kill()
        return Outcome(True, Layer.LOCAL, "stopped")
    say(f"Orthanc ended with exit code {code}")
    return Outcome(False, Layer.LOCAL, f"Orthanc exit {code}")


class _Log:
    """Passes on what Orthanc says, and remembers why its HTTP client failed: its REST does not tell (1.12.7)."""

    def __init__(self, orthanc: subprocess.Popen[bytes]) -> None:
        self._orthanc = orthanc
        self._last = ""

    def run(self) -> None:
        """Work until Orthanc ends."""
        for line in self._orthanc.stderr or ():
            if found := CLIENT_FAILED.search(line):
                self._last = found[1].decode(errors="replace").strip()
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()

    def why(self) -> str:
        """The latest failure of the HTTP client, once."""
        last, self._last = self._last, ""
        return last


class _Troubles:
    """The last trouble of each destination, kept where `device queue` finds it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._found = read_trouble(data)
        self._lock = threading.Lock()

    def tell(self, destination: str, trouble: Trouble | None) -> None:
        """Take note of trouble, or of its end."""
        with self._lock:
            if self._found.get(destination) == trouble:
                return
            if trouble is None:
                del self._found[destination]
            else:
                self._found[destination] = trouble
            try:
                write_trouble(self._data, self._found)
            except OSError as error:  # a full disk must not keep images from leaving it
                say(f"cannot note the trouble with {destination}: {error}")
