"""What is refused, and how, by the embedded Firestore and by Google's emulator alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from tests.firestore.malformed import INVALID, LISTENERS, MISSING, TAKEN, Call
from tests.firestores import FIRESTORES


@pytest.fixture(scope="module", params=FIRESTORES)
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "google-emulator":
        yield request.getfixturevalue("google_emulator").host
        return
    with EmbeddedFirestore() as embedded:
        yield embedded.host


@pytest.fixture(scope="module")
def client(host: str) -> Iterator[firestore.Client]:
    made = local_client(host, project=f"malformed-{uuid.uuid4().hex[:12]}", database="(default)")
    made.document("a/x").set({"n": 1})
    yield made
    close_client(made)


def _done(client: firestore.Client, call: Call) -> Any:
    # Whatever was written before, this is there.
    client.document("a/x").set({"n": 1})
    return call(client)


@pytest.mark.parametrize("name", INVALID)
def test_what_makes_no_sense_is_refused(client: firestore.Client, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        _done(client, INVALID[name])


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_not_found(client: firestore.Client, name: str) -> None:
    with pytest.raises(exceptions.NotFound):
        _done(client, MISSING[name])


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_just_not_too_much_is_taken(client: firestore.Client, name: str) -> None:
    _done(client, TAKEN[name])


@pytest.mark.parametrize("name", LISTENERS)
def test_a_target_is_removed_with_its_cause(client: firestore.Client, name: str) -> None:
    call, answer = LISTENERS[name]
    assert _done(client, call) == answer
