"""The ridesharing page in a browser: the driver's end and the rider's are live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.ridesharing.app import create_app
from examples.ridesharing.models import save_users
from flask_boiler import CTX
from flask_boiler.ground.ports import LocalFirestore
from tests.e2e.browser import chromium
from tests.e2e.example_page import at_work, opened, shoot


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, firestore_emulator: LocalFirestore) -> Iterator[Page]:
    with at_work(create_app, firestore_emulator) as (_, address):
        save_users()
        with opened(browser, address, height=520) as page:
            yield page


def offer(page: Page, destination: str, seats: int) -> str:
    """Have the driver offer a ride; its id, as the rider sees it."""
    page.fill("#dora input[name=destination]", destination)
    page.fill("#dora input[name=seats]", str(seats))
    page.click("#dora .offer button")
    expect(page.locator("#ada .offered li")).to_have_count(1)
    return page.get_attribute("#ada .offered li", "data-id") or ""


def test_what_one_end_does_the_other_sees(page: Page) -> None:
    ride = offer(page, "Half Moon Bay", 3)
    page.click("#ada .offered button")
    expect(page.locator("#ada .own small")).to_have_text("with Dora, booked")
    expect(page.locator("#dora .own small")).to_have_text("1 of 3 seats: Ada")

    # Somebody else, elsewhere.
    CTX.db.document("users/ben/bookings_POST/b1").set({"ride": ride, "seats": 2})
    expect(page.locator("#dora .own small")).to_contain_text("3 of 3 seats")
    expect(page.locator("#dora .own small")).to_contain_text("Ben (2)")
    expect(page.locator("#ada .offered small")).to_have_text("with Dora, 0 left")
    shoot(page, "ridesharing.png")

    page.click("#dora .own button")
    expect(page.locator("#dora .own li")).to_contain_text("departed")
    expect(page.locator("#ada .own small")).to_have_text("with Dora, on the way")
    expect(page.locator("#ada .offered li")).to_have_count(0)


@pytest.mark.long
def test_a_rider_cancels_and_is_told_when_nothing_is_left(page: Page) -> None:
    ride = offer(page, "Reno", 1)
    page.click("#ada .offered button")
    page.click("#ada .own button")
    expect(page.locator("#ada .own small")).to_have_text("with Dora, cancelled")
    expect(page.locator("#dora .own small")).to_have_text("0 of 1 seats: nobody")

    CTX.db.document("users/ben/bookings_POST/b1").set({"ride": ride})
    expect(page.locator("#ada .offered small")).to_have_text("with Dora, 0 left")
    page.click("#ada .offered button")
    expect(page.locator("#ada .said")).to_have_text(
        "1 seat(s) to Reno were asked for, and 0 are left"
    )
