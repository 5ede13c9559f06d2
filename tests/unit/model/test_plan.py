"""The plan's digest: what it means counts, where it was written does not."""

import pytest

from pacslab.model.plan import Material, MaterialKind, Plan


def test_a_node_is_found_by_name_and_by_path(reference: Plan) -> None:
    assert reference.node("pacs") is reference.node("pacs-core/pacs")


@pytest.mark.parametrize("name", ["", "PACS", "archive/pacs", "pacs-core"])
def test_no_other_node_is_found(name: str, reference: Plan) -> None:
    with pytest.raises(KeyError):
        reference.node(name)


def test_a_token_names_its_material() -> None:
    assert Material(MaterialKind.PASSWORD, "rest/pacs").token == "{{pacslab:password:rest/pacs}}"
