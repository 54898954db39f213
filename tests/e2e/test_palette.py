"""The palette's page in a browser and its Python client: both are live, over REST and Socket.IO."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from examples.palette.app import create_app
from examples.palette.models import Color, Rainbow, save_a_rainbow
from examples.server import serving
from flask_boiler import Boiler, Config
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.view.ws_mediator import mounted_mediators
from tests.e2e.browser import chromium
from tests.e2e.conversation import Conversation
from tests.e2e.sockets import CLOSED_FROM_BOTH_SIDES, eventually

pytestmark = CLOSED_FROM_BOTH_SIDES

TIMEOUT_MS = 60_000.0
RETURNS = 3


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def app(firestore_emulator: LocalFirestore) -> Flask:
    project = f"test-{uuid.uuid4().hex[:20]}"
    return create_app(Config(testing=True, project=project, emulator_host=firestore_emulator.host))


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
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


@pytest.mark.long
def test_what_is_in_use_stays_as_others_paint(
    browser: Browser, address: str, complaints: list[str]
) -> None:
    page = opened(browser, address, complaints)
    page.focus("#amber")
    Color.get_or_raise("red").update(shade="#00ff00")
    expect(page.locator("#red")).to_have_value("#00ff00")
    expect(page.locator("#amber")).to_be_focused()
    page.close()


@pytest.mark.long
def test_what_is_refused_is_said_and_is_gone_with_the_next_state(
    browser: Browser, address: str, complaints: list[str]
) -> None:
    page = opened(browser, address, complaints)
    page.eval_on_selector("#red", "input => { input.type = 'text'; }")
    paint(page, "red", "junk")
    expect(page.locator("#problem")).to_contain_text("Expected something like #ff0000.")
    expect(page.locator("#red")).to_have_value("#d62728")
    Rainbow.get_or_raise("dawn").delete()
    expect(page.locator("#problem")).to_contain_text("there is no document")
    Rainbow.new(doc_id="dawn", rainbow_name="Again", colors=["red"]).save()
    expect(page.locator("#name")).to_have_text("Again")
    expect(page.locator("#problem")).to_be_empty()
    page.close()


@pytest.mark.long
def test_a_page_that_is_sent_away_comes_back(
    browser: Browser, address: str, app: Flask, complaints: list[str]
) -> None:
    [mediator] = mounted_mediators(app)
    page = opened(browser, address, complaints)
    for number in range(RETURNS):
        mediator.stop()
        mediator.start()
        Rainbow.get_or_raise("dawn").update(rainbow_name=f"Dawn {number}")
        expect(page.locator("#name")).to_have_text(f"Dawn {number}")
        expect(page.locator("#status")).to_have_text("live")
    page.close()


def test_the_python_client_follows_a_rainbow(address: str, app: Flask) -> None:
    [mediator] = mounted_mediators(app)
    command = [sys.executable, "-m", "examples.palette.client", address, "dawn"]
    with Conversation.with_program(command) as client:
        first = client.hear(lambda said: True)
        assert first["rainbowName"] == "Dawn"
        assert [color["id"] for color in first["colors"]] == ["red", "amber", "violet"]
        Color.get_or_raise("red").update(shade="#ff0000")
        said = client.hear(lambda said: said["colors"][0]["shade"] == "#ff0000")
        assert said.keys() == {"rainbowName", "colors"}
        for number in range(RETURNS):
            eventually(lambda: mediator.clients == 1)
            mediator.stop()
            mediator.start()
            name = f"Dawn {number}"
            Rainbow.get_or_raise("dawn").update(rainbow_name=name)
            while client.hear(lambda said: True)["rainbowName"] != name:
                pass
