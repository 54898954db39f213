"""What a client asks for faster than it is dealt with is heard up to a bound, and no further."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy, ListenStream
from flask_boiler.local.embedded.listening.switchboard import Switchboard
from flask_boiler.local.embedded.listening.token_issuer import TokenIssuer
from flask_boiler.local.embedded.serving.duplex import StreamHandler
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.write_stream import WriteStream
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.worlds import WORLD, name_of

LARGE = "x" * (33 * 1024 * 1024)


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


@pytest.fixture
def listen_stream(storage: Storage) -> Iterator[ListenStream]:
    tokens = TokenIssuer(storage)
    switchboard = Switchboard(storage.feed)
    made = ListenStream(storage, switchboard, tokens, Faults(), ListenPolicy(messages_a_marker=1))
    yield made
    made.leave()


def adding(target_id: int, label: str = "") -> Any:
    target = protocol.ListenTarget(target_id=target_id)
    target.documents.documents.append(name_of("c/a"))
    return protocol.ListenRequest(database=WORLD, add_target=target, labels={"label": label})


def has_room(handler: StreamHandler) -> bool:
    return handler.has_room


def test_large_requests_of_a_listen_stream_wait_until_others_are_dealt_with(
    listen_stream: ListenStream,
) -> None:
    listen_stream.hear(adding(1, LARGE))
    assert has_room(listen_stream)
    listen_stream.hear(adding(2, LARGE))
    assert not has_room(listen_stream)
    said = listen_stream.speak()
    next(said)
    # The second is taken up, and not told yet.
    assert not has_room(listen_stream)
    assert len(list(said)) > 2
    assert has_room(listen_stream)
    assert listen_stream.waiting == (0, 0)


def test_requests_that_are_taken_up_and_not_told_count(listen_stream: ListenStream) -> None:
    number = 0
    said = listen_stream.speak()
    while has_room(listen_stream) and number < 50_000:
        for _ in range(1_000):
            number += 1
            listen_stream.hear(adding(number))
        # It takes up all that was heard, and tells one.
        next(message for message in said if b"c/a" in message)
    assert number < 20_000


def test_large_writes_wait_until_others_are_done(storage: Storage) -> None:
    stream = WriteStream(Service(storage), Faults())
    stream.hear(protocol.WriteRequest(database=WORLD, labels={"label": LARGE}))
    assert has_room(stream)
    stream.hear(protocol.WriteRequest(labels={"label": LARGE}))
    assert not has_room(stream)
    next(stream.speak())
    assert has_room(stream)
