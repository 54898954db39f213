"""The page of an example in a browser, on a project of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Browser, Page, expect

from examples.server import serving
from flask_boiler import Boiler, Config
from flask_boiler.ground.ports import LocalFirestore

__all__ = ["at_work", "opened", "shoot"]

#: Where to leave screenshots; the READMEs show them.
SCREENSHOTS = os.environ.get("FLASK_BOILER_SCREENSHOTS")
TIMEOUT_MS = 30_000.0


@contextmanager
def at_work(
    create_app: Callable[[Config], Flask], local: LocalFirestore
) -> Iterator[tuple[Boiler, str]]:
    """The Boiler of an application whose mediators run, and the address of its page."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    app = create_app(Config(testing=True, project=project, emulator_host=local.host))
    boiler: Boiler = app.extensions["boiler"]
    try:
        with boiler.context.activated(), serving(app) as address, boiler:
            yield boiler, address
    finally:
        boiler.close()


@contextmanager
def opened(browser: Browser, address: str, *, height: int) -> Iterator[Page]:
    """The page, which must raise no error, and ask nobody but this machine."""
    complaints: list[str] = []

    def look(request: Any) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(f"asked for {request.url}")

    page = browser.new_page(viewport={"width": 1000, "height": height})
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on("request", look)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/")
    yield page
    page.close()
    assert complaints == []


def shoot(page: Page, name: str) -> None:
    """Leave a screenshot, if somebody has asked for them."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / name)
