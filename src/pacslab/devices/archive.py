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
from typing import Any

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
AGAIN_AFTER_S = 1.0
STOP_TIMEOUT_S = 8.0  # less than the engine gives before it kills


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped, or until Orthanc ends."""
    del arguments
    watch = begin("serve")
    peers = [_peer(home, name) for name in home.device.forwards]
    rest = open_rest(home)
    index = read_json(Path(ORTHANC_FILE)).get("PostgreSQL")
    orthanc = _Orthanc()
    troubles = _Troubles(home.data)
    marking = threading.Lock()
    for peer in peers:
        forwarder = Forwarder(rest, peer, marking, troubles.tell, orthanc.why)
        threading.Thread(target=forwarder.run, name=f"forward to {peer.node}", daemon=True).start()
    try:
        outcome = _run(orthanc, index)
    except KeyboardInterrupt:
        orthanc.stop()
        outcome = Outcome(True, Layer.LOCAL, "stopped")
    return watch.end(outcome)


def _run(orthanc: _Orthanc, index: dict[str, Any] | None) -> Outcome:
    """Run Orthanc; one with its index elsewhere is run again, as a database that just started may not let it in yet."""
    while True:
        if index is not None:
            _await_database(str(index["Host"]), int(index["Port"]))
        code = orthanc.run()
        say(f"Orthanc ended with exit code {code}")
        if index is None:
            return Outcome(False, Layer.LOCAL, f"Orthanc exit {code}")
        time.sleep(AGAIN_AFTER_S)


def _peer(home: Home, name: str) -> Peer:
    """The entry of a destination.

    Raises:
        UsageError: It has none with a port.
    """
    for peer in home.device.peers:
        if peer.node == name and peer.port is not None:
            return peer
    raise UsageError(f"cannot forward to {name}: it is no peer that this node may open a connection to")


def _await_database(host: str, port: int) -> None:
    """Wait until a server takes connections; at start this is the normal case, as its own cable is laid last."""
    for attempt in itertools.count(1):
        try:
            socket.create_connection((host, port), DATABASE_TIMEOUT_S).close()
        except OSError as error:
            if attempt % DATABASE_SAY_EVERY == 0:
                say(f"waiting for the database at {host}:{port}: {network_failure(error)}")
            time.sleep(DATABASE_PAUSE_S)
        else:
            return


class _Orthanc:
    """Orthanc, its log passed on; remembers why its HTTP client failed, which its REST does not tell (1.12.7)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""

    def run(self) -> int:
        """Run it until it ends; returns its exit code."""
        self._process = subprocess.Popen(["Orthanc", ORTHANC_FILE], stderr=subprocess.PIPE)
        for line in self._process.stderr or ():
            if found := CLIENT_FAILED.search(line):
                self._failure = found[1].decode(errors="replace").strip()
            _pass_on(line)
        return self._process.wait()

    def stop(self) -> None:
        """End it, if it runs: as it likes, and after a while at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            _, rest = self._process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, rest = self._process.communicate()
        _pass_on(rest)

    def why(self) -> str:
        """The latest failure of the HTTP client, once."""
        failure, self._failure = self._failure, ""
        return failure


def _pass_on(said: bytes) -> None:
    sys.stderr.buffer.write(said)
    sys.stderr.buffer.flush()


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
