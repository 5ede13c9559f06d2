"""The conformance statement: every DICOM flow of the plan on both of its sides, and nothing that no flow permits."""

import re
from html.parser import HTMLParser

import pytest

from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation
from pacslab.model.plan import Plan
from pacslab.report import document
from pacslab.report.conformance import Entity, Statement, statement
from pacslab.report.conformance_text import document as laid_out
from pacslab.report.document import Heading


@pytest.fixture(scope="module")
def stated(reference: Plan) -> Statement:
    return statement(reference)


def entity(stated: Statement, node: str) -> Entity:
    return next(found for found in stated.entities if found.node == node)


def test_every_flow_stands_on_both_sides(stated: Statement, reference: Plan) -> None:
    flows = {(f.source, f.destination, f.operations) for f in reference.flows if f.application in DIMSE_APPLICATIONS}
    opened = {(e.node, peer.node, peer.operations) for e in stated.entities for peer in e.initiates}
    answered = {(peer.node, e.node, peer.operations) for e in stated.entities for peer in e.accepts}
    assert flows == opened == answered


def test_an_entity_states_what_its_conduits_permit(stated: Statement) -> None:
    ris, scanner = entity(stated, "ris"), entity(stated, "ct-1")
    assert {offer.operation for offer in ris.accepted} == {
        Operation.C_ECHO, Operation.C_FIND_MWL, Operation.N_CREATE_MPPS, Operation.N_SET_MPPS,
    }  # fmt: skip
    assert ris.proposed == ()
    assert {offer.operation for offer in scanner.accepted} == {Operation.N_EVENT_REPORT_STGCMT}
    assert scanner.acquires == ("1.2.840.10008.5.1.4.1.1.2",)


def test_who_is_scu_does_not_depend_on_who_opens(stated: Statement) -> None:
    text = document.markdown(laid_out(stated))
    assert "| PACS | Storage Commitment: result | SCP | requestor |" in text
    assert "| CT1 | Storage Commitment: result | SCU | acceptor |" in text
    assert "| CT1 | Storage Commitment: request | SCU | requestor |" in text


def test_one_node_alone(reference: Plan) -> None:
    only = statement(reference, "clinical/ris")
    assert [found.ae_title for found in only.entities] == ["RIS"]
    assert only.web == ()
    assert statement(reference, "pacs-db").entities == ()
    assert [web.origin_server for web in statement(reference, "cloud-web").web] == ["cloud-web", "cloud-store"]


def test_the_sections_are_those_of_the_standard(stated: Statement) -> None:
    numbers = [block.text.split()[0] for block in laid_out(stated) if isinstance(block, Heading) and block.level < 4][
        1:
    ]
    assert [number for number in numbers if "." not in number] == [str(number) for number in range(1, 9)]
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])


def test_what_an_annex_is_cited_for_is_there(stated: Statement) -> None:
    text = document.markdown(laid_out(stated))
    cited = set(re.findall(r"see (8\.\d+ [^|]+?\(\d+\))", text))
    assert len(cited) >= 3
    for title in cited:
        assert f"### {title}\n" in text


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the base class names it
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_whole_and_quotes_what_people_wrote(stated: Statement) -> None:
    page = document.page((Heading(1, "<b>A & B"), *laid_out(stated)))
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert "&lt;b&gt;A &amp; B" in page
    assert "<b>" not in page
