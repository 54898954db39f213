"""Firebase's web SDK in a headless Chromium, on an embedded Firestore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from flask_boiler.context.clients import local_client
from flask_boiler.embedded import EmbeddedFirestore
from tests.e2e.browser import chromium
from tests.e2e.sdk_page import PAGE, PROJECT, TIMEOUT_MS, VENDOR, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # A name of somebody else that leads to this machine, as an attacker may make one.
    with chromium("--host-resolver-rules=MAP evil.example 127.0.0.1") as started:
        yield started


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with serving(PAGE, VENDOR) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def client(embedded_firestore: EmbeddedFirestore) -> Iterator[Any]:
    made = local_client(embedded_firestore.host, project=PROJECT, database="(default)")
    yield made
    made.close()


@pytest.fixture(params=["streaming", pytest.param("polling", marks=pytest.mark.long)])
def page(
    request: pytest.FixtureRequest,
    browser: Browser,
    pages: str,
    embedded_firestore: EmbeddedFirestore,
) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    polling = "&polling=1" if request.param == "polling" else ""
    page.goto(f"{pages}?firestore={embedded_firestore.host}{polling}")
    page.wait_for_function("window.ready")
    yield page
    page.close()
    assert errors == []
