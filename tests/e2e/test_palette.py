"""The palette's page in a browser and its Python client: both are live, over REST and Socket.IO."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.meeting_room.server import serving
from examples.palette.app import create_app
from examples.palette.models import Color, save_a_rainbow
from flask_boiler.config import Config
from flask_boiler.emulator import LocalFirestore
from flask_boiler.extension import Boiler
from tests.e2e.browser import chromium
from tests.e2e.conversation import Conversation

TIMEOUT_MS = 60_000.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def address(firestore_emulator: LocalFirestore) -> Iterator[str]:
    project = f"test-{uuid.uuid4().hex[:20]}"
    app = create_app(Config(testing=True, project=project, emulator_host=firestore_emulator.host))
    boiler: Boiler = app.extensions["boiler"]
    try:
        with boiler.context.activated(), serving(app) as address, boiler:
            save_a_rainbow()
            yield address
    finally:
        boiler.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What pages should not do; there is none at the end."""
    complaints: list[str] = []
    yield complaints
    assert complaints == []


def opened(browser: Browser, address: str, complaints: list[str]) -> Page:
    def look(request: Any) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(f"asked for {request.url}")

    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on("request", look)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/")
    expect(page.locator("#status")).to_have_text("live")
    return page


def paint(page: Page, color: str, shade: str) -> None:
    page.eval_on_selector(
        f"#{color}",
        "(input, shade) => { input.value = shade; input.dispatchEvent(new Event('change')); }",
        shade,
    )


def test_what_one_window_changes_all_show(
    browser: Browser, address: str, complaints: list[str]
) -> None:
    one, two = (opened(browser, address, complaints) for _ in range(2))
    expect(two.locator("#name")).to_have_text("Dawn")
    expect(two.locator("#colors li")).to_have_text(["red", "amber", "violet"])

    paint(one, "amber", "#00ff00")
    for page in (one, two):
        expect(page.locator("#amber")).to_have_value("#00ff00")
    assert Color.get_or_raise("amber").shade == "#00ff00"

    two.fill("#wanted", "Dusk")
    two.click("#rename button")
    for page in (one, two):
        expect(page.locator("#name")).to_have_text("Dusk")

    Color.get_or_raise("red").delete()
    for page in (one, two):
        expect(page.locator("#colors li")).to_have_text(["amber", "violet"])
    for page in (one, two):
        page.close()


def test_the_python_client_follows_a_rainbow(address: str) -> None:
    command = [sys.executable, "-m", "examples.palette.client", address, "dawn"]
    with Conversation.with_program(command) as client:
        first = client.hear(lambda said: True)
        assert first["rainbowName"] == "Dawn"
        assert [color["id"] for color in first["colors"]] == ["red", "amber", "violet"]
        Color.get_or_raise("red").update(shade="#ff0000")
        said = client.hear(lambda said: said["colors"][0]["shade"] == "#ff0000")
        assert said.keys() == {"rainbowName", "colors"}
