"""Codes of files and of YAML, and of keys and values that do not belong."""

from __future__ import annotations

from pacslab.labfile.codes.code import Code
from pacslab.labfile.source import MAX_BYTES, MAX_DEPTH

CODES: tuple[Code, ...] = (
    Code(
        "file-missing",
        "A file that is named is not there.",
        "lab.yaml",
        "  - images.yaml\n",
        "  - image.yaml\n",
    ),
    Code(
        "file-unreadable",
        "A file is there and cannot be read: it is a directory, or permission is missing.",
        "lab.yaml",
        "  - images.yaml\n",
        "  - .\n",
    ),
    Code(
        "file-too-large",
        f"A file is larger than {MAX_BYTES // 2**20} MiB.",
        "images.yaml",
        "    owner: radiology-it\n",
        f"    owner: radiology-it  # {'x' * MAX_BYTES}\n",
    ),
    Code("empty-file", "A file says nothing.", "images.yaml", "", "# to be written\n"),
    Code(
        "wrong-file",
        "A lab file stands where a zone file is expected, or the other way round.",
        "lab.yaml",
        "  - images.yaml\n",
        "  - lab.yaml\n",
    ),
    Code(
        "not-utf-8",
        "A file is not text in UTF-8.",
        "images.yaml",
        "    why: Complete studies get a long-term copy.\n",
        "    why: R\udcf6ntgen studies get a long-term copy.\n",
    ),
    Code(
        "not-yaml",
        "A file is not YAML.",
        "images.yaml",
        "    why: The archive keeps its index in the database.\n",
        "    why: The archive: keeps its index in the database.\n",
    ),
    Code(
        "many-documents",
        "A file holds more than one YAML document.",
        "images.yaml",
        "network: 198.18.20.0/24\n",
        "---\nnetwork: 198.18.20.0/24\n",
    ),
    Code(
        "anchor",
        "An anchor or an alias: the reader of a line would have to look elsewhere for what it says.",
        "images.yaml",
        "    ae_title: PACS\n",
        "    ae_title: &name PACS\n",
    ),
    Code(
        "merge-key",
        "A merge key: the reader of a mapping would have to look elsewhere for what it says.",
        "images.yaml",
        "    ae_title: PACS\n",
        "    <<: {ae_title: PACS}\n",
    ),
    Code("tag", "A YAML tag: types come from the schema.", "lab.yaml", "lab: small\n", "lab: !!str small\n"),
    Code(
        "duplicate-key",
        "A key is written twice in one mapping.",
        "images.yaml",
        "    ae_title: PACS\n",
        "    ae_title: PACS\n    ae_title: OLD\n",
    ),
    Code(
        "complex-key",
        "A key is a list or a mapping.",
        "lab.yaml",
        "replicas: {mr: 2}\n",
        "replicas: {[mr]: 2}\n",
    ),
    Code(
        "too-deep",
        f"Values are nested deeper than {MAX_DEPTH} levels.",
        "lab.yaml",
        "without: [outside/guest-2]\n",
        f"without: {'[' * (MAX_DEPTH + 1)}{']' * (MAX_DEPTH + 1)}\n",
    ),
    Code(
        "missing-key",
        "A key that must be there is not.",
        "images.yaml",
        "    why: The archive keeps its index in the database.\n",
        "",
    ),
    Code(
        "unknown-key",
        "A key that means nothing here.",
        "images.yaml",
        "    owner: radiology-it\n",
        "    owned_by: radiology-it\n",
    ),
    Code(
        "wrong-value",
        "A value is not what its key takes.",
        "images.yaml",
        "    operations: [C-FIND, C-MOVE]\n",
        "    operations: [C-FND, C-MOVE]\n",
    ),
)
