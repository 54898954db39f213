"""The page at /apidocs in a browser that reaches nothing but the application."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from examples.meeting_room.app import create_app
from examples.server import serving
from flask_boiler import Config
from tests.e2e.browser import chromium

TIMEOUT_MS = 30_000.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The page; afterwards it must have asked nobody else, and raised nothing."""
    complaints: list[str] = []

    def look(request: Request) -> None:
        asked = urlsplit(request.url)
        if asked.scheme != "data" and asked.hostname != "127.0.0.1":
            complaints.append(f"asked for {request.url}")

    # Nobody is there: the document is made of declarations alone.
    app = create_app(Config(testing=True, project="nowhere", emulator_host="127.0.0.1:9"))
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on("request", look)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # What the page's policy forbids is told here, too.
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    with serving(app) as address:
        answer = page.goto(f"{address}/apidocs/")
        assert answer is not None
        assert "script-src 'self' 'sha256-" in answer.headers["content-security-policy"]
        yield page
        page.close()
    assert complaints == []


def test_the_page_shows_every_operation_and_what_it_answers(page: Page) -> None:
    expect(page.locator(".opblock")).to_have_count(7)
    expect(page.locator(".opblock-summary-path").first).to_be_visible()
    # The page puts spaces without a width where a path may be broken.
    shown = page.locator(".opblock-summary-path").all_inner_texts()
    assert {path.replace("\u200b", "") for path in shown} == {
        *("/meeting_sessions", "/meeting_sessions/{doc_id}"),
        *("/users/{doc_id}", "/tickets/{doc_id}"),
    }
    page.locator(".opblock-patch .opblock-summary").first.click()
    operation = page.locator(".opblock-patch").first
    statuses = operation.locator(".response-col_status")
    expect(statuses.filter(has_text="412")).to_be_visible()
    expect(operation.locator(".parameters")).to_contain_text(["If-Match"])
