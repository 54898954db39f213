"""The meeting room's page in a browser: what one participant does, the other sees."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.meeting_room.app import create_app
from examples.meeting_room.models import Meeting, Ticket
from examples.meeting_room.story import save_a_meeting
from examples.server import serving
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore
from tests.e2e.browser import chromium

#: Where to leave screenshots; the README shows them.
SCREENSHOTS = os.environ.get("FLASK_BOILER_SCREENSHOTS")
TIMEOUT_MS = 30_000.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def boiler_at_work(firestore_emulator: LocalFirestore) -> Iterator[tuple[Boiler, str]]:
    project = f"test-{uuid.uuid4().hex[:20]}"
    app = create_app(Config(testing=True, project=project, emulator_host=firestore_emulator.host))
    boiler: Boiler = app.extensions["boiler"]
    try:
        with boiler.context.activated(), serving(app) as address:
            save_a_meeting()
            boiler.start()
            boiler.settle()
            yield boiler, address
    finally:
        boiler.close()


@pytest.fixture
def page(browser: Browser, boiler_at_work: tuple[Boiler, str]) -> Iterator[Page]:
    """The page with both participants live; afterwards it must have been quiet."""
    _, address = boiler_at_work
    complaints: list[str] = []

    def look(request: Any) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(f"asked for {request.url}")

    page = browser.new_page(viewport={"width": 1000, "height": 600})
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on("request", look)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/")
    for uid in ("ada", "bob"):
        expect(page.locator(f"#{uid} .status")).to_have_text("in session")
    yield page
    page.close()
    assert complaints == []


def shoot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / name)


def attending(page: Page, uid: str) -> Any:
    return page.locator(f"#{uid} .attending li span:first-child")


def test_both_panes_show_who_attends(page: Page) -> None:
    expect(page.locator("#ada .person")).to_have_text("Ada Lovelace")
    expect(attending(page, "bob")).to_have_count(0)

    page.click("#bob .attend")
    for uid in ("ada", "bob"):
        expect(attending(page, uid)).to_have_text(["Bob Kahn"])
    page.click("#ada .attend")
    for uid in ("ada", "bob"):
        expect(attending(page, uid)).to_have_text(["Ada Lovelace", "Bob Kahn"])
        expect(page.locator(f"#{uid} .aids")).to_have_text("One hearing aid is requested.")
    shoot(page, "meeting-room.png")

    page.click("#ada .attend")
    expect(attending(page, "bob")).to_have_text(["Bob Kahn"])
    assert not Ticket.get_or_raise("planning-ada").attendance


def test_the_panes_show_what_one_commit_wrote(page: Page) -> None:
    for count in (1, 0, 1):
        page.click("#bob .attend")
        for uid in ("ada", "bob"):
            expect(attending(page, uid)).to_have_count(count)
            assert int(page.get_attribute(f"#{uid} .time", "data-ms") or "") >= 0
        ada, bob = (CTX.db.document(f"users/{u}/MeetingSession/planning") for u in ("ada", "bob"))
        assert ada.get().update_time == bob.get().update_time


def test_a_participant_who_is_removed_sees_no_more(page: Page) -> None:
    Meeting.get_or_raise("planning").update(users=["ada"], tickets={"ada": "planning-ada"})
    expect(page.locator("#bob .attend")).to_be_disabled()
    expect(page.locator("#ada .attend")).to_be_enabled()


def test_a_refusal_is_shown_to_who_was_refused(page: Page) -> None:
    Ticket.get_or_raise("planning-bob").delete()
    page.click("#bob .attend")
    expect(page.locator("#bob .said")).to_contain_text("planning-bob")
    expect(page.locator("#ada .said")).to_be_empty()


@pytest.mark.long
def test_no_time_is_shown_of_a_command_that_was_refused(page: Page) -> None:
    Ticket.get_or_raise("planning-bob").delete()
    page.click("#bob .attend")
    expect(page.locator("#bob .said")).not_to_be_empty()
    # What somebody else does later is not its effect.
    Ticket.get_or_raise("planning-ada").update(attendance=True)
    for uid in ("ada", "bob"):
        expect(attending(page, uid)).to_have_text(["Ada Lovelace"])
        expect(page.locator(f"#{uid} .time")).to_be_empty()


def test_the_meeting_is_closed_and_reopened_without_a_server(page: Page) -> None:
    page.click("#ada .session")
    for uid in ("ada", "bob"):
        expect(page.locator(f"#{uid} .status")).to_have_text("not in session")
    page.click("#bob .session")
    for uid in ("ada", "bob"):
        expect(page.locator(f"#{uid} .status")).to_have_text("in session")
    expect(page.locator("#bob .said")).to_be_empty()


@pytest.mark.long
def test_what_was_proposed_in_vain_is_told(page: Page) -> None:
    Meeting.get_or_raise("planning").update(status="not-started")
    expect(page.locator("#ada .session")).to_have_text("Reopen the meeting")
    page.click("#ada .session")
    expect(page.locator("#ada .said")).to_have_text(
        "A meeting that is not-started cannot be reopened."
    )
    expect(page.locator("#bob .said")).to_be_empty()
