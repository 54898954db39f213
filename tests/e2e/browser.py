"""A headless Chromium, the one that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from flask_boiler.operate.testing.plugin import skip_unless_required

__all__ = ["chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--no-first-run",
    # It would look for updates and the like on its own.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """The browser; skips the test, unless that is a failure, where there is none."""
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        skip_unless_required("there is no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*_OPTIONS, *options])
        try:
            yield browser
        finally:
            browser.close()
