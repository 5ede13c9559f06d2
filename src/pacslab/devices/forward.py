"""Studies that are complete -> delivered to every destination, again and again until it has taken them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from pacslab.devices.observing import say
from pacslab.devices.orthanc import Rest, RestError
from pacslab.devices.queue import Held, Trouble, held, marks_text, missing
from pacslab.model.device import FORWARDED, Peer
from pacslab.model.dicom import Application

BEAT_S = 0.25
REST_PAUSE_S = 3.0  # before an archive that does not answer is asked again
LOOK_AT_ALL_EVERY_S = 300.0
LONGEST_PAUSE_S = 15.0  # between two attempts at a destination that fails
DELIVERY_TIMEOUT_S = 3600.0  # of one study; how long a peer may be silent is Orthanc's to say
PEER_TIMEOUT_S = 10
STOW_INSTANCES = 50  # in one request


class Turns:
    """Studies in the order in which they are tried; one that failed goes behind the others."""

    def __init__(self) -> None:
        self._studies: dict[str, None] = {}

    def add(self, studies: Iterable[str]) -> None:
        """Put studies at the end, unless they wait already."""
        for study in studies:
            self._studies.setdefault(study)

    def next(self) -> str | None:
        """The study whose turn it is."""
        return next(iter(self._studies), None)

    def later(self, study: str) -> None:
        """Put a study behind the others."""
        self.done(study)
        self._studies[study] = None

    def done(self, study: str) -> None:
        """Take a study out."""
        self._studies.pop(study, None)


class Forwarder:
    """One destination's queue. What has been delivered is marked in the archive's index, so a restart loses nothing.

    Delivered means that the destination said so of every instance. What it took before a failure is sent once more:
    an archive keeps the first of two instances with one UID.
    """

    def __init__(
        self,
        rest: Rest,
        peer: Peer,
        marking: threading.Lock,
        tell: Callable[[str, Trouble | None], None],
        why: Callable[[], str],
    ) -> None:
        self._rest = rest
        self._peer = peer
        self._marking = marking  # the marks of all destinations are one value
        self._tell = tell
        self._why = why  # what Orthanc logged of its latest failure as an HTTP client
        self._turns = Turns()
        self._seen = 0  # of the archive's log of changes
        self._looked_at = float("-inf")
        self._failures = 0
        self._answers = False  # the archive itself; while it starts, nobody needs to be told

    def run(self) -> None:
        """Work until the process ends."""
        while True:
            try:
                pause_s = self.step()
            except RestError as error:  # the archive itself: starting, stopping, or its database is away
                if self._answers:
                    say(f"forward to {self._peer.node}: this archive does not answer: {_words(error)}")
                self._answers = False
                self._looked_at = float("-inf")  # it may have lost what it had not written to its log
                pause_s = REST_PAUSE_S
            time.sleep(pause_s)

    def step(self) -> float:
        """Look what is new and deliver at most one study; returns how long to rest, in seconds.

        Raises:
            RestError: The archive itself does not answer.
        """
        self._look()
        self._answers = True
        study = self._turns.next()
        if study is None:
            return BEAT_S
        found = next(iter(held(self._rest, study)), None)
        if found is None or not found.stable or not found.waits_for(self._peer.node):
            self._turns.done(study)  # gone, delivered, or still growing: the log will say when it is complete
            return 0.0
        return self._deliver(found)

    def _look(self) -> None:
        """Take note of studies that have become complete; now and then, and after any trouble, look at all."""
        if time.monotonic() - self._looked_at > LOOK_AT_ALL_EVERY_S:
            self._seen = int(self._rest.json("GET", "/changes?last")["Last"])
            waiting = [study for study in held(self._rest) if study.waits_for(self._peer.node)]
            self._turns.add(study.id for study in sorted(waiting, key=lambda study: study.update))
            self._looked_at = time.monotonic()
        done = False
        while not done:
            page = self._rest.json("GET", f"/changes?since={self._seen}&limit=1000")
            self._turns.add(change["ID"] for change in page["Changes"] if change["ChangeType"] == "StableStudy")
            self._seen, done = int(page["Last"]), bool(page["Done"])

    def _deliver(self, study: Held) -> float:
        instances, mark = missing(self._rest, study, self._peer.node)
        try:
            if instances:
                self._send(instances)
        except RestError as error:
            if error.code == 0:  # not the destination: this archive ended meanwhile
                raise
            self._failures += 1
            self._turns.later(study.id)
            words = (self._peer.application is Application.HTTPS and self._why()) or _words(error)
            self._tell(self._peer.node, Trouble(words, self._failures))
            say(f"forward {study.uid} to {self._peer.node}: {words}; attempt {self._failures}, it stays queued")
            return min(2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
        with self._marking:
            for now in held(self._rest, study.id):
                marks = marks_text({**now.marks, self._peer.node: mark})
                self._rest.call("PUT", f"/studies/{study.id}/metadata/{FORWARDED}", marks.encode())
        self._turns.done(study.id)
        self._failures = 0
        self._tell(self._peer.node, None)
        say(f"forward {study.uid} to {self._peer.node}: {len(instances)} instances delivered")
        return 0.0

    def _send(self, instances: tuple[str, ...]) -> None:
        """Deliver instances by the application that the destination speaks.

        Raises:
            RestError: The destination did not take every one of them.
        """
        node = self._peer.node
        if self._peer.application is not Application.HTTPS:
            self._post(f"/modalities/{node}/store", instances)
            return
        # A front limits how large one request may be; a study may be larger.
        for first in range(0, len(instances), STOW_INSTANCES):
            self._post(f"/dicom-web/servers/{node}/stow", instances[first : first + STOW_INSTANCES])

    def _post(self, path: str, instances: tuple[str, ...]) -> None:
        body = {"Resources": list(instances), "Synchronous": True, "Permissive": False, "Timeout": PEER_TIMEOUT_S}
        self._rest.call("POST", path, body, timeout_s=DELIVERY_TIMEOUT_S)


def _words(error: RestError) -> str:
    return f"{error.outcome.layer.value}: {error.outcome.detail or error.outcome.status}"
