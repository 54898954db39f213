"""The examples with a page, as programs: each serves its page until Ctrl-C."""

from __future__ import annotations

import sys
from urllib.request import urlopen

import pytest

from tests.e2e.screen import TIMEOUT_S, screen


@pytest.mark.long
@pytest.mark.parametrize("example", ["fluttergram", "palette", "ridesharing"])
def test_the_page_is_served_until_it_is_interrupted(example: str) -> None:
    command = [sys.executable, "-m", f"examples.{example}", "--port", "0"]
    with screen(command, FIRESTORE_EMULATOR_HOST="") as shown:
        address = shown.wait_for(r"The page is at (http://127\.0\.0\.1:\d+)")[1]
        with urlopen(f"{address}/", timeout=TIMEOUT_S) as answer:
            assert f"page/{example}.js" in answer.read().decode()
            assert answer.headers["X-Frame-Options"] == "DENY"
        assert shown.end() == 0
        assert "Traceback" not in shown.shown
