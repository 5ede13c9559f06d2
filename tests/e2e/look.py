"""`python look.py JSON`, behind a node's seat -> what a browser with that certificate sees of the viewer, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# Brightness of all that is drawn, how much of it is not black, and how much is there at all.
DRAWN = """() => {
  const canvas = document.querySelector('#view .viewLayer canvas') ?? document.querySelector('#view canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, lit = 0;
  for (let i = 0; i < data.length; i += 4) { sum += data[i]; lit += data[i] > 0; }
  return {width: canvas.width, height: canvas.height, mean: sum / (data.length / 4), lit: lit / (data.length / 4)};
}"""


def look(wanted: dict[str, Any]) -> dict[str, Any]:
    certificate = {"origin": wanted["origin"], "certPath": wanted["certificate"], "keyPath": wanted["key"]}
    with sync_playwright() as playwright:
        # The tests' user may be root, which Chromium's own sandbox refuses; the pages are ours.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            client_certificates=[certificate] if wanted["certificate"] else None,  # type: ignore[list-item]
            ignore_https_errors=not wanted["certificate"],
            viewport={"width": 1280, "height": 800},
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        answer = page.goto(f"{wanted['origin']}/viewer/")
        assert answer is not None
        seen: dict[str, Any] = {"status": answer.status, "policy": answer.header_value("content-security-policy")}
        if answer.ok:
            seen |= _work(page, wanted)
        browser.close()
    elsewhere = [url for url in asked if not url.startswith((wanted["origin"], "data:"))]
    return {**seen, "errors": said, "elsewhere": elsewhere}


def _work(page: Page, wanted: dict[str, Any]) -> dict[str, Any]:
    page.locator("input[name=AccessionNumber]").fill(wanted["accession"])
    page.get_by_role("button", name="Search").click()
    page.locator("#found", has_text="1 study").wait_for()
    page.locator("#studies > li > button").click()
    page.locator("#studies ul button").first.click()
    page.locator("#place", has_text=f"1 / {wanted['images']}").wait_for()
    seen = {"header": page.locator("header").inner_text(), "first": _state(page)}
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, 100)
    page.locator("#place", has_text="2 / ").wait_for()
    seen["wheel"] = _state(page)
    page.locator("#slice").fill(str(wanted["images"] // 2))
    page.locator("#place", has_text=f"{wanted['images'] // 2 + 1} / ").wait_for()
    seen["slider"] = _state(page)
    if wanted["screenshot"]:
        page.screenshot(path=wanted["screenshot"])
    page.get_by_role("button", name="Window").click()
    before = page.locator("#window").inner_text()
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1] + 30, steps=6)
    page.mouse.up()
    page.wait_for_function("before => document.querySelector('#window').innerText !== before", arg=before)
    seen["window"] = _state(page)
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("before => document.querySelector('#window').innerText === before", arg=before)
    seen["reset"] = _state(page)
    return seen


def _state(page: Page) -> dict[str, Any]:
    page.wait_for_timeout(200)  # drawn in the next animation frame
    drawn: dict[str, Any] = page.evaluate(DRAWN)
    return {**drawn, "place": page.locator("#place").inner_text(), "window": page.locator("#window").inner_text()}


if __name__ == "__main__":
    print(json.dumps(look(json.loads(sys.argv[1]))))
