"""What the embedded Firestore says to browsers, byte by byte."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from google.cloud import firestore

from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.firestore.clients import close_client, local_client

WORLD = "projects/demo/databases/(default)"
CHANNEL = "/google.firestore.v1.Firestore/Listen/channel"
WITHIN_S = 60.0


@pytest.fixture
def server() -> Iterator[EmbeddedFirestore]:
    with EmbeddedFirestore() as running:
        yield running


@pytest.fixture
def db(server: EmbeddedFirestore) -> Iterator[firestore.Client]:
    client = local_client(server.host, project="demo", database="(default)")
    yield client
    close_client(client)


@pytest.fixture
def connection(server: EmbeddedFirestore) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(server.host, timeout=WITHIN_S)
    yield made
    made.close()


def listening(connection: http.client.HTTPConnection, path: str) -> str:
    """A new session that listens to a document; its id."""
    target = {"targetId": 2, "documents": {"documents": [f"{WORLD}/documents/{path}"]}}
    asked = {"database": WORLD, "addTarget": target}
    body = urlencode({"count": 1, "ofs": 0, "req0___data__": json.dumps(asked)})
    connection.request("POST", f"{CHANNEL}?VER=8&RID=1&CVER=22&t=1", body)
    response = connection.getresponse()
    assert response.status == 200
    ((_, told),) = json.loads(response.read().partition(b"\n")[2])
    return str(told[1])


def answers(connection: http.client.HTTPConnection, sid: str, last_id: int) -> Iterator[Any]:
    """What one back channel says until it ends, an answer and its number at a time."""
    connection.request("GET", f"{CHANNEL}?VER=8&RID=rpc&SID={sid}&AID={last_id}&CI=0&TYPE=xmlhttp")
    response = connection.getresponse()
    assert response.status == 200
    while length := response.readline():
        yield from json.loads(response.read(int(length)))


def test_a_back_channel_ends_in_time_and_goes_on_in_the_next(
    db: firestore.Client, connection: http.client.HTTPConnection
) -> None:
    text = "x" * 100_000
    db.document("c/a").set({"n": 0, "text": text})
    sid = listening(connection, "c/a")
    seen: list[int] = []
    last_id = channels = 0
    while seen[-1:] != [149]:
        channels += 1
        for number, answer in answers(connection, sid, last_id):
            assert number == last_id + 1
            last_id = number
            if "documentChange" in answer[0]:
                fields = answer[0]["documentChange"]["document"]["fields"]
                seen.append(int(fields["n"]["integerValue"]))
                db.document("c/a").set({"n": seen[-1] + 1, "text": text})
            if seen[-1:] == [149]:
                connection.close()
                break
    assert seen == list(range(150))
    assert channels > 10
