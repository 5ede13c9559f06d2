"""The HTML report: its text is escaped, it asks the network for nothing, and works in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.reports import EVERY_VERDICT, LEAK, OPEN, SHUT, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Run, Verdict
from pacslab.report.html import MOST_FINDINGS, render
from pacslab.report.seats import Seats

HOSTILE = "</script><script>alert(1)</script><!-- \"'&amp;"


def _page(made: Run, plan: Plan) -> str:
    return render(made, Seats.of(plan), CATALOGUE)


class _Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_what_a_device_says_is_text(minimal: Plan) -> None:
    hostile = replace(LEAK, observed=HOSTILE, service=HOSTILE, evidence=(HOSTILE,), rule=HOSTILE)
    made = run(hostile, OPEN, lab=HOSTILE, engine=HOSTILE, error=HOSTILE)
    tags = [tag for tag, _ in _Tags(_page(made, minimal)).tags]
    assert tags.count("script") == 2
    assert "alert(1)</script>" not in _page(made, minimal)
    assert HOSTILE in _data(_page(made, minimal))["words"]


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_nothing_is_asked_of_the_network_and_only_its_own_script_may_run(minimal: Plan) -> None:
    page = _page(EVERY_VERDICT, minimal)
    tags = _Tags(page).tags
    for tag, attributes in tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert "src" not in attributes
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        assert attributes.get("href") is None or str(attributes["href"]).startswith("#")
    policy = next(a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_every_link_leads_to_a_place_of_the_page(minimal: Plan) -> None:
    tags = _Tags(_page(EVERY_VERDICT, minimal)).tags
    places = {attributes.get("id") for _, attributes in tags}
    links = [str(attributes["href"])[1:] for tag, attributes in tags if tag == "a"]
    assert "reach-02" in links
    assert set(links) <= places


def test_only_so_many_findings_stand_in_the_page_and_all_are_in_its_data(minimal: Plan) -> None:
    page = _page(run(*[LEAK] * (MOST_FINDINGS + 5)), minimal)
    assert page.count('<details class="finding"') == MOST_FINDINGS
    assert "... and 5 more" in page
    assert len(_data(page)["rows"]) == MOST_FINDINGS + 5


def test_a_run_that_died_says_so(minimal: Plan) -> None:
    page = _page(run(OPEN, error="the engine is gone", finished=None, accounting=None), minimal)
    assert "This report is not complete: the run died: the engine is gone." in page


def test_twenty_thousand_results_stay_small_and_quick(minimal: Plan) -> None:
    made = _large(20_000)
    started = time.perf_counter()
    page = _page(made, minimal)
    assert time.perf_counter() - started < 20  # a second here, on a machine that does nothing else
    assert len(page) < 3_000_000


def _large(count: int) -> Run:
    kinds: tuple[Result, ...] = (OPEN, SHUT, SHUT, SHUT)
    return run(*(replace(kinds[n % 4], service=f"{n}/tcp") for n in range(count)))


# A real browser, where there is one.

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, sync_playwright  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path, minimal: Plan) -> Iterator[Page]:
    """The page of a run with every verdict; a word on the browser's console, or a request, fails the test."""
    file = tmp_path / "verify.html"
    file.write_text(_page(EVERY_VERDICT, minimal), encoding="utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    yield page
    page.close()
    assert complaints == []


def _shown(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("#list summary").all_inner_texts()]


def test_all_results_are_listed_the_wrong_ones_first(opened: Page) -> None:
    shown = _shown(opened)
    assert len(shown) == len(EVERY_VERDICT.results)
    assert [text.split()[0] for text in shown] == ["FAIL", "FAIL", "INCONCLUSIVE", "SKIPPED", *["PASS"] * 4]
    assert opened.inner_text("#shown") == "8 results"


def test_a_result_opens_to_its_evidence_by_click_and_by_key(opened: Page) -> None:
    first = opened.locator("#list details").first
    assert "evidence" not in first.inner_text()
    first.locator("summary").click()
    assert "forward rule 3: ip saddr 198.18.60.11 accept" in first.inner_text()
    assert "probe arrived; receiver saw 198.18.60.11" in first.inner_text()
    second = opened.locator("#list details").nth(1)
    second.locator("summary").focus()
    opened.keyboard.press("Enter")
    assert "zones/pacs-core.yaml:12:5" in second.inner_text()


def test_filters_narrow_and_reset_widens(opened: Page) -> None:
    opened.uncheck("input[value=PASS]")
    assert [text.split()[0] for text in _shown(opened)] == ["FAIL", "FAIL", "INCONCLUSIVE", "SKIPPED"]
    opened.select_option("select[name=check]", "REACH-02")
    assert _shown(opened) == ["FAIL REACH-02 vendor-1 → ct-1 22/tcp: reached the receiver, and answered SYN-ACK"]
    assert opened.inner_text("#shown") == "1 of 8 results"
    opened.click("button[type=reset]")
    opened.wait_for_function("document.querySelectorAll('#list summary').length === 8")
    opened.select_option("select[name=from]", "node:vendor-1")
    assert len(_shown(opened)) == 2
    opened.select_option("select[name=to]", "zone:pacs-core")
    assert len(_shown(opened)) == 1
    opened.click("button[type=reset]")
    opened.fill("input[name=text]", "ACCEPT 198.18.60")
    assert len(_shown(opened)) == 1
    opened.fill("input[name=text]", "no such words")
    assert _shown(opened) == []
    assert opened.inner_text("#shown") == "0 of 8 results"


def test_a_cell_folds_out_to_nodes_filters_and_folds_back(opened: Page) -> None:
    cell = opened.locator("button[data-from=vendor-remote][data-to=modality]")
    assert cell.inner_text().split() == ["✗", "1", "FAIL"]
    cell.focus()
    opened.keyboard.press("Enter")
    assert cell.get_attribute("aria-pressed") == "true"
    assert opened.locator("#nodes table").inner_text().split()[-3:] == ["✗", "1", "FAIL"]
    assert [text.split()[:3] for text in _shown(opened)] == [["FAIL", "REACH-02", "vendor-1"]]
    opened.locator("#nodes button").click()
    assert opened.input_value("select[name=from]") == "node:vendor-1"
    cell.click()
    cell.click()
    assert opened.locator("#nodes table").count() == 0
    assert len(_shown(opened)) == 8


def test_everything_is_reached_by_keyboard_and_has_a_name(opened: Page) -> None:
    seen = set()
    for _ in range(40):
        opened.keyboard.press("Tab")
        seen.add(opened.evaluate("document.activeElement.tagName + (document.activeElement.name || '')"))
    assert {"A", "BUTTON", "SUMMARY", "INPUTverdict", "SELECTcheck", "SELECTfrom", "SELECTto", "INPUTtext"} <= seen
    for role, name in (("combobox", "Check"), ("combobox", "From"), ("combobox", "To"), ("searchbox", "Text")):
        assert opened.get_by_role(role, name=re.compile(f"^{name}")).count() == 1  # type: ignore[arg-type]


# WCAG 2.2, 1.4.3: text wants a contrast of 4.5 to 1 with what is behind it.
_CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = numbers(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((node) => [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && node.offsetParent)
    .map((node) => {
      const [a, b] = [luminance(numbers(getComputedStyle(node).color)), luminance(behind(node))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.outerHTML.slice(0, 80)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


def test_every_text_stands_out_from_what_is_behind_it(opened: Page) -> None:
    assert opened.evaluate(_CONTRAST) == []


def test_twenty_thousand_results_open_and_filter(browser: Any, tmp_path: Path, minimal: Plan) -> None:
    file = tmp_path / "large.html"
    file.write_text(_page(_large(20_000), minimal), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.inner_text("#shown") == "20,000 results; the first 100:"
    page.click("#more")
    assert page.locator("#list details").count() == 200
    page.fill("input[name=text]", "19999/tcp")
    assert [text.split()[0] for text in _shown(page)] == [Verdict.PASS.value]
    page.close()
