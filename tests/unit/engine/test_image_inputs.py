"""An image's digest changes when something it is made of changes, and only then."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pacslab.engine.image_inputs import ImageSpec, catalogue, context, copied, digest, inputs, repository_root
from pacslab.engine.images import build
from pacslab.engine.wheels import ensure_wheels, pinned
from pacslab.errors import Exit, PacslabError

COMPOSE = """
x-build: &build {context: .., args: {BASE: 'base:1'}}
services:
  one: {image: 'x/one:1', build: {<<: *build, dockerfile: compose/images/one/Dockerfile}}
"""
DOCKERFILE = """FROM ${BASE}
COPY compose/images/tool /usr/bin/
COPY src/code \\
     /opt/code
COPY compose/images/requirements.txt compose/images/wheels/ /opt/wheels/
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "compose/images.yaml": COMPOSE,
        "compose/images/one/Dockerfile": DOCKERFILE,
        "compose/images/tool": "#!/bin/sh\n",
        "compose/images/wheels/a-1-py3-none-any.whl": "wheel",
        "compose/images/requirements.txt": "a==1 \\\n    --hash=sha256:"
        "6ef6b6dd96b8b7fe15406ed8e5e4caebd82f0b3f4f8cd5c3fa2fbd18ef2dd9c4\n",
        "src/code/__init__.py": "",
        "src/code/sub/x.py": "x = 1\n",
        "src/other.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    wheel = tmp_path / "compose/images/wheels/a-1-py3-none-any.whl"
    import hashlib

    pin = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "compose/images/requirements.txt").write_text(f"a==1 \\\n    --hash=sha256:{pin}\n")
    return tmp_path


def spec_of(root: Path) -> ImageSpec:
    (spec,) = catalogue(root)
    return spec


def digest_of(root: Path, base: str = "sha256:b") -> str:
    spec = spec_of(root)
    return digest(spec, base, inputs(spec))


def edit(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return change


CHANGES = {
    "Dockerfile": edit("compose/images/one/Dockerfile", DOCKERFILE + "USER 1\n"),
    "a copied file": edit("compose/images/tool", "#!/bin/bash\n"),
    "a file's mode": lambda root: (root / "compose/images/tool").chmod(0o755),
    "a file in a copied folder": edit("src/code/sub/x.py", "x = 2\n"),
    "a new file in a copied folder": edit("src/code/sub/y.py", ""),
    "a file removed": lambda root: (root / "src/code/sub/x.py").unlink(),
    "a build argument": edit("compose/images.yaml", COMPOSE.replace("base:1", "base:2")),
    "the tag": edit("compose/images.yaml", COMPOSE.replace("one:1", "one:2")),
}
NO_CHANGES = {
    "nothing": lambda _: None,
    "a file beside": edit("src/other.py", "x"),
    "bytecode": edit("src/code/__pycache__/x.pyc", "x"),
    "an editor's swap file": edit("src/code/.x.py.swp", "x"),
    "a wheel nobody pinned": edit("compose/images/wheels/z-1-py3-none-any.whl", "z"),
    "a file's time": lambda root: (root / "src/code/sub/x.py").touch(),
    "a comment in the compose file": edit("compose/images.yaml", COMPOSE + "# x\n"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_digest_changes_with(root: Path, name: str) -> None:
    before = digest_of(root)
    CHANGES[name](root)
    assert digest_of(root) != before


@pytest.mark.parametrize("name", NO_CHANGES)
def test_digest_stays_with(root: Path, name: str) -> None:
    before, packed = digest_of(root), context(inputs(spec_of(root))).getvalue()
    NO_CHANGES[name](root)
    assert digest_of(root) == before
    assert context(inputs(spec_of(root))).getvalue() == packed


def test_digest_changes_with_the_base_image(root: Path) -> None:
    assert digest_of(root, "sha256:b") != digest_of(root, "sha256:c")


def test_a_copied_file_that_is_missing_is_named(root: Path) -> None:
    (root / "compose/images/tool").unlink()
    with pytest.raises(PacslabError, match=r"one/Dockerfile copies compose/images/tool, which is not there"):
        inputs(spec_of(root))


def test_a_compose_file_of_another_shape_is_refused(root: Path) -> None:
    edit("compose/images.yaml", "services: {one: {image: x}}\n")(root)
    with pytest.raises(PacslabError, match="does not describe the images: KeyError 'build'"):
        catalogue(root)


def test_unknown_name_is_a_usage_error(root: Path) -> None:
    with pytest.raises(PacslabError, match="there is no image 'two'") as caught:
        build(None, names=("two",), root=root)  # type: ignore[arg-type]  # refused before the engine is asked
    assert (caught.value.exit_code, caught.value.hint) == (Exit.USAGE, "there are one")


def test_no_checkout_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacslab.engine.image_inputs.__file__", str(tmp_path / "a/b/c/d/e.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PacslabError, match=r"no compose/images\.yaml here") as caught:
        repository_root()
    assert "checkout" in caught.value.hint


def test_wheels_put_there_by_hand_are_enough(root: Path) -> None:
    lines: list[str] = []
    ensure_wheels(root, lines.append)
    assert not lines
    assert len(pinned(root)) == 1


REAL = repository_root()


def test_every_image_folder_is_in_the_catalogue() -> None:
    folders = {path.parent.name for path in (REAL / "compose/images").glob("*/Dockerfile")}
    assert {spec.name for spec in catalogue(REAL)} == folders


@pytest.mark.parametrize("spec", catalogue(REAL), ids=lambda spec: spec.name)
def test_dockerfile_is_for_the_classic_builder_and_ends_without_root(spec: ImageSpec) -> None:
    text = (REAL / spec.dockerfile).read_text()
    assert "--mount" not in text
    assert "--chmod" not in text
    assert "<<" not in text
    assert all((REAL / source).exists() for source in copied(spec) if not source.endswith("wheels"))
    users = [line.split()[1] for line in text.splitlines() if line.startswith("USER")]
    assert users == ([] if spec.name == "fabric" else ["1000:1000"])


@pytest.mark.parametrize(
    ("names", "last"),
    [
        (("modality", "workstation", "ris"), "RUN /opt/wheels/unpack-wheels"),
        (("modality", "workstation", "ris", "orthanc", "web-gateway", "database", "bastion", "probe"), "WORKDIR"),
    ],
)
def test_images_begin_alike_so_that_they_share_layers(names: tuple[str, ...], last: str) -> None:
    beginnings = set()
    for name in names:
        lines = (REAL / f"compose/images/{name}/Dockerfile").read_text().splitlines()
        steps = [line for line in lines if line and not line.startswith("#")]
        end = next(number for number, line in enumerate(steps) if line.startswith(last))
        beginnings.add(tuple(steps[: end + 1]))
    assert len(beginnings) == 1


def test_compose_sends_what_the_dockerfiles_copy() -> None:
    """The .dockerignore lets through exactly the places that some Dockerfile copies from."""
    lines = (REAL / ".dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    wanted = {source for spec in catalogue(REAL) for source in (*copied(spec), spec.dockerfile)}
    assert all(any(f"{source}/".startswith(f"{place}/") for place in allowed) for source in wanted)
    assert all(any(f"{source}/".startswith(f"{place}/") for source in wanted) for place in allowed)


def test_compose_file_is_yaml_without_surprises() -> None:
    document = yaml.safe_load((REAL / "compose/images.yaml").read_text())
    assert set(document) == {"name", "x-build", "services"}
    for name, service in document["services"].items():
        assert service["image"] == f"pacslab/{name}:trixie"
        assert service["build"]["context"] == ".."
