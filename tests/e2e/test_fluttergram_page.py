"""Fluttergram's page in a browser: what one user posts is in the feeds of those who follow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.fluttergram.app import create_app
from examples.fluttergram.models import save_users
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
        with opened(browser, address, height=560) as page:
            yield page


def post(page: Page, uid: str, text: str) -> None:
    page.fill(f"#{uid} input[name=text]", text)
    page.click(f"#{uid} .post button")


def test_a_post_is_in_the_feeds_of_those_who_follow(page: Page) -> None:
    expect(page.locator("#ben .follow")).to_have_text("Unfollow Ada")
    post(page, "ada", "On my way to #reno")
    for uid in ("ada", "ben"):
        expect(page.locator(f"#{uid} .feed span")).to_have_text(["On my way to #reno"])
        expect(page.locator(f"#{uid} .feed small")).to_have_text(["Ada"])
    post(page, "ben", "See you there")
    expect(page.locator("#ada .feed span")).to_have_text(["See you there", "On my way to #reno"])
    expect(page.locator("#ben .feed button")).to_have_count(1)
    shoot(page, "fluttergram.png")

    page.click("#ben .follow")
    expect(page.locator("#ben .feed span")).to_have_text(["See you there"])
    expect(page.locator("#ada .feed li")).to_have_count(2)
    expect(page.locator("#ben .follow")).to_have_text("Follow Ada")
    page.click("#ben .follow")
    expect(page.locator("#ben .feed li")).to_have_count(2)

    page.click("#ada .feed button")
    for uid in ("ada", "ben"):
        expect(page.locator(f"#{uid} .feed span")).to_have_text(["See you there"])
