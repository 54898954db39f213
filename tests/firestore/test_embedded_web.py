"""What the embedded Firestore says to browsers, byte by byte."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from google.cloud import firestore

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.local.embedded.writes.transfer import export_documents

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


# Whose pages may ask.

DOCUMENTS = f"{WORLD}/documents"
DELETE = json.dumps({"writes": [{"delete": f"{DOCUMENTS}/c/a"}]})
FORM = "application/x-www-form-urlencoded"
SESSION = urlencode({"count": 1, "ofs": 0, "req0___data__": json.dumps({"database": WORLD})})
ASKED = {
    "root": ("GET", "/", None, ""),
    "export": ("GET", "/emulator/v1/export", None, ""),
    "import": ("POST", "/emulator/v1/import", "{}", "application/json"),
    "clear": ("DELETE", f"/emulator/v1/{DOCUMENTS}", None, ""),
    "commit": ("POST", f"/v1/{DOCUMENTS}:commit", DELETE, "text/plain"),
    "preflight": ("OPTIONS", f"/v1/{DOCUMENTS}:commit", None, ""),
    "handshake": ("POST", f"{CHANNEL}?VER=8&RID=1", SESSION, FORM),
    "back channel": ("GET", f"{CHANNEL}?VER=8&RID=rpc&SID=s&AID=0", None, ""),
}
STRANGERS = {
    "a foreign origin": {"Origin": "https://evil.example"},
    "a foreign origin with a port": {"Origin": "http://evil.example:8080"},
    "a file or a sandbox": {"Origin": "null"},
    "no origin, another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a name that leads here": {"Host": "evil.example:8080"},
    "a name that leads here, as its own origin": {
        "Host": "evil.example:8080",
        "Origin": "http://evil.example:8080",
        "Sec-Fetch-Site": "same-origin",
    },
    "an address of everything": {"Host": "0.0.0.0:8080"},
    "an empty name": {"Host": ""},
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_get_nothing(
    server: EmbeddedFirestore,
    db: firestore.Client,
    connection: http.client.HTTPConnection,
    stranger: str,
) -> None:
    db.document("c/a").set({"n": 1})
    for method, path, body, kind in ASKED.values():
        headers = {"Content-Type": kind} if body else {}
        connection.request(method, path, body, headers | STRANGERS[stranger])
        answer = connection.getresponse()
        told = json.loads(answer.read())["error"]
        assert (answer.status, told["code"], told["status"]) == (403, 403, "PERMISSION_DENIED")
        assert not [name for name, _ in answer.getheaders() if name.startswith("Access-Control")]
    assert db.document("c/a").get().exists


@pytest.mark.parametrize("origin", [None, "http://localhost:5173", "https://app.localhost."])
@pytest.mark.parametrize("host", ["localhost", "localhost.:8080", "127.0.0.1:1", "[::1]:8080"])
def test_pages_of_this_machine_get_all(
    connection: http.client.HTTPConnection, host: str, origin: str | None
) -> None:
    for asked, (method, path, body, kind) in ASKED.items():
        headers = {"Host": host} | ({"Content-Type": kind} if body else {})
        connection.request(method, path, body, headers | ({"Origin": origin} if origin else {}))
        answer = connection.getresponse()
        answer.read()
        # These name nothing that there is.
        assert answer.status == (400 if asked in ("import", "back channel") else 200)
        assert answer.getheader("Access-Control-Allow-Origin") == origin
        assert answer.getheader("Vary") == "Origin"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_server_is_reached_under_each_of_its_names(name: str) -> None:
    with EmbeddedFirestore(address=name) as server:
        asking = http.client.HTTPConnection(server.host, timeout=WITHIN_S)
        asking.request("GET", "/")
        answer = asking.getresponse()
        assert (answer.status, answer.read()) == (200, b"Ok\n")
        asking.close()


def test_hosts_that_are_named_may_ask() -> None:
    with EmbeddedFirestore(trusted_hosts=["firestore", ".dev.example"]) as server:
        for host, origin in (("firestore:8080", None), ("localhost", "https://a.dev.example")):
            asking = http.client.HTTPConnection(server.host, timeout=WITHIN_S)
            asking.request(
                "GET", "/", headers={"Host": host} | ({"Origin": origin} if origin else {})
            )
            answer = asking.getresponse()
            assert (answer.status, answer.getheader("Access-Control-Allow-Origin")) == (200, origin)
            answer.read()
            asking.close()


@pytest.mark.parametrize("kind", ["", "text/plain", FORM, "multipart/form-data; boundary=x"])
def test_a_body_of_a_type_that_needs_no_asking_is_refused(
    server: EmbeddedFirestore,
    db: firestore.Client,
    connection: http.client.HTTPConnection,
    tmp_path: Path,
    kind: str,
) -> None:
    db.document("c/a").set({"n": 1})
    exported = tmp_path / "exported.jsonl"
    export_documents(server.storage, exported)
    db.document("c/a").delete()
    headers = {"Content-Type": kind} if kind else {}
    asked = [("/emulator/v1/import", exported.read_text())]
    if kind != "text/plain":
        # The web SDK sends what it commits as text.
        asked.append((f"/v1/{DOCUMENTS}:commit", DELETE))
    for path, body in asked:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())["error"]
        assert (answer.status, told["status"]) == (400, "INVALID_ARGUMENT")
        assert "Content-Type" in told["message"]
    assert not db.document("c/a").get().exists
    connection.request("POST", asked[0][0], asked[0][1], {"Content-Type": "application/jsonl"})
    assert connection.getresponse().read() == b'{"documents":1}'
    assert db.document("c/a").get().exists
