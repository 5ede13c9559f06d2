"""YAML with positions, and without anything that hides meaning."""

from pathlib import Path

import pytest

from pacslab.errors import LabFileError
from pacslab.labfile.source import MAX_BYTES, MAX_DEPTH, did_you_mean, parse, read
from pacslab.model.lab import Origin

TEXT = b"""\
zone: "no"   # quoted
list: [a, 0104]
nested:
  deep: {x: NO}
  empty:
"""


def _code(data: bytes) -> str:
    with pytest.raises(LabFileError) as caught:
        parse(data, "zone.yaml")
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code


def test_every_scalar_is_text() -> None:
    value = parse(TEXT, "zone.yaml").value
    assert value == {"zone": "no", "list": ["a", "0104"], "nested": {"deep": {"x": "NO"}, "empty": None}}


def test_places_of_values_and_keys() -> None:
    source = parse(TEXT, "zone.yaml")
    assert source.origin(("list", 1)) == Origin("zone.yaml", 2, 11)
    assert source.origin(("nested", "deep", "x")) == Origin("zone.yaml", 4, 13)
    assert source.key(("nested", "deep", "x")) == Origin("zone.yaml", 4, 10)
    assert source.key(("list", 0)) == Origin("zone.yaml", 2, 8)


def test_what_is_missing_stands_where_its_parent_stands() -> None:
    source = parse(TEXT, "zone.yaml")
    assert source.origin(("nested", "deep", "y", 3)) == source.origin(("nested", "deep"))
    assert source.origin(("nothing",)) == Origin("zone.yaml", 1, 1)


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse(b"\xef\xbb\xbfzone: a\n", "zone.yaml").value == {"zone": "a"}


def test_a_document_mark_is_allowed_once() -> None:
    assert parse(b"---\nzone: a\n...\n", "zone.yaml").value == {"zone": "a"}


@pytest.mark.parametrize("data", [b"", b"# only a comment\n", b"---\n", b"~anything: x"[:0]])
def test_nothing_is_nothing(data: bytes) -> None:
    assert parse(data, "zone.yaml").value is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a: &x 1\n", "anchor"),
        (b"a: *x\n", "anchor"),
        (b"&x a: 1\n", "anchor"),
        (b"- &x [1]\n", "anchor"),
        (b"<<: {a: 1}\n", "merge-key"),
        (b"a: !!int 1\n", "tag"),
        (b"a: !secret 1\n", "tag"),
        (b"!!map {a: 1}\n", "tag"),
        (b"a: 1\na: 2\n", "duplicate-key"),
        (b"{a: 1, 'a': 2}\n", "duplicate-key"),
        (b"? [a, b]\n: 1\n", "complex-key"),
        (b"a: 1\n---\nb: 2\n", "many-documents"),
        (b"a: \xff\n", "not-utf-8"),
        (b"a: \x07\n", "not-yaml"),
        (b"a: \x00\n", "not-yaml"),
        (b"a: [1\n", "not-yaml"),
        (b"a: b: c\n", "not-yaml"),
        (b"%YAML 9.9\n---\na: 1\n", "not-yaml"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too-deep"),
        (b"[" * 100_000, "too-deep"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    assert _code(data) == code


def test_as_deep_as_allowed() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "zone.yaml").value is not None


def test_a_file_that_never_ends_is_too_large() -> None:
    with pytest.raises(LabFileError) as caught:
        read(Path("/dev/zero"))
    assert caught.value.diagnostics[0].code == "file-too-large"


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES + 1])
def test_the_largest_file(size: int, tmp_path: Path) -> None:
    file = tmp_path / "zone.yaml"
    file.write_bytes(b"#" * size)
    if size <= MAX_BYTES:
        assert read(file).value is None
        return
    with pytest.raises(LabFileError, match="1 error"):
        read(file)


def test_a_file_that_cannot_be_read_is_reported_where_it_is_named(tmp_path: Path) -> None:
    named = Origin("lab.yaml", 4, 5)
    with pytest.raises(LabFileError) as caught:
        read(tmp_path / ("x" * 300 + ".yaml"), seen_from=named)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.origin) == ("file-unreadable", named)


def test_the_nearest_word_or_all_of_them() -> None:
    assert did_you_mean("modalty", ["modality", "probe"]) == "did you mean 'modality'?"
    assert did_you_mean("xyz", ["b", "a"]) == "known here: a, b"
    assert did_you_mean("xyz", []) == ""
    assert did_you_mean("?", [f"n{n:02}" for n in range(20)]).endswith("n11, ...")
