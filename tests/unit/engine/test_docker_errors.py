"""What the engine says -> what the user reads; the engine's words are ones it was seen to use."""

import pytest

from pacslab.engine.docker_errors import build_failure, refusal

IN_USE = 'Conflict. The container name "/pacslab-x-pacs" is already in use by container "f00".'
FULL = "write /var/lib/docker/tmp/x: no space left on device"


@pytest.mark.parametrize(
    ("said", "status", "message", "hint"),
    [
        ("No such image: pacslab/x:trixie", 404, "No such image", "pacslab images build"),
        ("No such container: pacslab-x-pacs", 404, "it is not there", "pacslab status"),
        (IN_USE, 409, "another container has that name", "pacslab down"),
        ("Container f00 is not running", 409, "it is not running", "pacslab status"),
        (FULL, 500, "no space left on the engine's disk", "docker system df"),
        ("something new", 500, "something new", "pacslab doctor"),
    ],
)
def test_refusal(said: str, status: int, message: str, hint: str) -> None:
    error = refusal("start pacslab-x-pacs", said, status)
    assert error.message.startswith("cannot start pacslab-x-pacs: ")
    assert message in error.message
    assert hint in error.hint


def test_build_failure_names_the_step_and_shows_the_end() -> None:
    error = build_failure("pacslab/x:trixie", "Step 3/9 : RUN false", "code: 1", ("one", "two"))
    assert error.message == "the build of pacslab/x:trixie failed at 'Step 3/9 : RUN false': code: 1\n  | one\n  | two"


def test_build_that_filled_the_disk_says_so_once() -> None:
    error = build_failure("pacslab/x:trixie", "Step 3/9 : RUN x", "code: 1", ("dd: No space left on device",))
    assert error.message == "cannot build pacslab/x:trixie: no space left on the engine's disk"
