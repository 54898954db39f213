"""The meeting room's demo, as a person runs it."""

from __future__ import annotations

import json
import re
import socket
import sys
import urllib.request

import pytest

from flask_boiler.ground.ports import LocalFirestore
from tests.e2e.screen import TIMEOUT_S, run_module, screen
from tests.firestores import FIRESTORES

DEMO = "examples.meeting_room"


def test_the_demo_tells_its_story_and_ends(firestore_emulator: LocalFirestore) -> None:
    done = run_module(DEMO, FIRESTORE_EMULATOR_HOST=firestore_emulator.host)
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 steps, all as expected" in done.stdout
    assert re.search(
        r"~ users/ada +in session, attending: Ada Lovelace, Bob Kahn +\d+ ms", done.stdout
    )
    assert re.search(r"\+ users/cleo +in session, attending: .* +\d+ ms", done.stdout)
    assert re.search(r"~ users/cleo +closed, attending: .* +\d+ ms", done.stdout)
    assert "409  A meeting that is closed cannot be closed." in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("firestore", [pytest.param("", marks=pytest.mark.long), *FIRESTORES])
def test_the_demo_brings_its_own_firestore(firestore: str) -> None:
    environment = {"BOILER_FIRESTORE": firestore, "FIRESTORE_EMULATOR_HOST": ""}
    if firestore != "google-emulator":
        # Neither Java nor anything else is needed.
        environment["PATH"] = ""
    done = run_module(DEMO, "--once", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{firestore or 'embedded'}, started for this demo" in done.stdout
    assert "7 steps, all as expected" in done.stdout


@pytest.mark.long
def test_the_demo_says_what_went_wrong() -> None:
    done = run_module(DEMO, "--once", FIRESTORE_EMULATOR_HOST="127.0.0.1:1")
    assert done.returncode == 1
    assert "FIRESTORE_EMULATOR_HOST is 127.0.0.1:1, but no Firestore answers" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("port", "said"), [("-1", "not a port: '-1'"), ("70000", "not a port"), ("http", "not a port")]
)
def test_a_port_that_there_is_not_is_refused(port: str, said: str) -> None:
    done = run_module(DEMO, "--port", port)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_port_that_is_taken_is_named(firestore_emulator: LocalFirestore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_module(
            DEMO, "--port", str(port), FIRESTORE_EMULATOR_HOST=firestore_emulator.host
        )
    assert done.returncode == 1
    assert done.stderr.startswith("\nThe demo stopped: ")
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_the_demo_serves_the_page_until_ctrl_c(
    firestore_emulator: LocalFirestore,
) -> None:
    environment = {"FIRESTORE_EMULATOR_HOST": firestore_emulator.host, "NO_COLOR": "1"}
    with screen([sys.executable, "-m", DEMO], **environment) as shown:
        address = shown.wait_for(r"Page +(http://127\.0\.0\.1:\d+/)")[1]
        shown.wait_for("Ctrl-C ends")
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as page:
            assert "<title>Meeting room</title>" in page.read().decode()
        with urllib.request.urlopen(f"{address}apidocs/", timeout=TIMEOUT_S) as documents:
            assert documents.status == 200
        attend = urllib.request.Request(
            f"{address}tickets/planning-bob",
            method="PATCH",
            data=json.dumps({"attendance": True}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(attend, timeout=TIMEOUT_S) as answer:
            assert json.load(answer)["attendance"] is True
        shown.wait_for(r"~ users/ada +in session, attending: Bob Kahn")
        assert shown.end() == 0
        assert "Traceback" not in shown.shown
