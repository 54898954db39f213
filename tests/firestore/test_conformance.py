"""Served applications are what their OpenAPI documents say, whatever they are asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from flasgger import Swagger
from flask import Flask
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case

from examples.meeting_room.app import create_app
from examples.meeting_room.story import save_a_meeting
from flask_boiler import CTX, Boiler
from tests.firestore.clubs import create_club_app, save_a_club
from tests.firestore.conformance import CHECKS, PHASES, Pardon, explore
from tests.firestore.kinds import create_jugs_app, save_a_jug
from tests.firestore.towns import create_towns_app, save_a_town


@contextmanager
def towns(boiler: Boiler) -> Iterator[Flask]:
    app = create_towns_app(boiler)
    Swagger(app)
    save_a_town()
    # One that cannot be shown, in the lists.
    CTX.db.document("Town/broken").set({"obj_type": "Town", "name": "Ys", "population": "many"})
    yield app


@contextmanager
def jugs(boiler: Boiler) -> Iterator[Flask]:
    app = create_jugs_app(boiler)
    Swagger(app)
    save_a_jug()
    yield app


@contextmanager
def club(boiler: Boiler) -> Iterator[Flask]:
    app = create_club_app(boiler)
    Swagger(app)
    save_a_club()
    yield app


@contextmanager
def meeting_room(boiler: Boiler) -> Iterator[Flask]:
    app = create_app(boiler.context.config)
    own: Boiler = app.extensions["boiler"]
    try:
        with own.context.activated():
            save_a_meeting()
        yield app
    finally:
        own.close()


def of_what_openapi_cannot_say(case: Case[Any], response: Response) -> bool:
    """What Firestore does not store of values without a type; what the keys of a map may be."""
    if response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    errors: dict[str, list[str]] = response.json().get("errors", {})
    return bool(errors) and all(
        name.partition(".")[0] == "anything" or said[0].startswith("A key ")
        for name, said in errors.items()
    )


class Served(NamedTuple):
    """An application to be asked everything.

    :param known: ids that there are, by path, or by path and parameter.
    """

    app: Callable[[Boiler], AbstractContextManager[Flask]]
    known: Mapping[str, Sequence[str] | Mapping[str, Sequence[str | int]]]
    pardons: Sequence[Pardon] = ()


SERVED = [
    Served(towns, {"/towns/{doc_id}": ["ulm"]}),
    pytest.param(
        Served(jugs, {"/jugs/{doc_id}": ["brown"]}, [of_what_openapi_cannot_say]),
        marks=pytest.mark.long,
    ),
    pytest.param(
        Served(
            club,
            {
                "/cups/{year}/{grade}": {"year": [2024]},
                "/cups/{year}/{grade}/{player_id}": {"year": [2024], "player_id": ["ann", "bob"]},
                "/lodges/{lodge_id}/views": {"lodge_id": ["oak"]},
                "/players/{reader_id}/lodges": {"reader_id": ["ann"]},
                "/lodges/{lodge_id}/views/{reader_id}": {
                    "lodge_id": ["oak"],
                    "reader_id": ["ann", "bob", "cem"],
                },
            },
        ),
        marks=pytest.mark.long,
    ),
    pytest.param(
        Served(
            meeting_room,
            {
                "/meeting_sessions/{doc_id}": ["planning"],
                "/users/{doc_id}": ["ada", "bob", "cleo"],
                "/tickets/{doc_id}": ["planning-ada", "planning-bob"],
            },
        ),
        marks=pytest.mark.long,
    ),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("served", SERVED, ids=lambda served: served.app.__name__)
def test_every_answer_is_as_the_document_says(
    served: Served, boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ids that were given out find their way into later requests.
    chosen = SimpleNamespace(choice=random.Random(20).choice)
    monkeypatch.setattr("flask_boiler.models.collection.secrets", chosen)
    with served.app(boiler) as app:
        findings = explore(app, known=served.known, pardons=served.pardons)
    found = [*findings.errors, *findings.failures]
    assert not found, "\n\n".join(found)
    assert (findings.phases, findings.checks) == (PHASES, CHECKS)
    # Where nothing was accepted, or nothing refused, the checks had nothing to look at.
    for operation, statuses in findings.statuses.items():
        assert min(statuses) < 300 and max(statuses) >= 400, operation
