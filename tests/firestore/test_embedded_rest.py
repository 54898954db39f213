"""The REST interface: here what Google's emulator answers, and in words what is not served."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.cloud import firestore

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.firestore import protocol
from tests.firestores import FIRESTORES

PROJECT = f"rest-{uuid.uuid4().hex[:12]}"
DOCUMENTS = f"projects/{PROJECT}/databases/(default)/documents"
JSON = "application/json"


@pytest.fixture(scope="module", params=FIRESTORES)
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "google-emulator":
        yield request.getfixturevalue("google_emulator").host
        return
    with EmbeddedFirestore() as embedded:
        yield embedded.host


@pytest.fixture
def embedded() -> Iterator[EmbeddedFirestore]:
    with EmbeddedFirestore() as server:
        yield server


@pytest.fixture
def client(host: str) -> Iterator[firestore.Client]:
    made = local_client(host, project=PROJECT, database="(default)")
    for collection in made.collections():
        made.recursive_delete(collection)
    yield made
    close_client(made)


def ask(host: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The status of an answer, and what it says in JSON."""
    content = None if body is None else json.dumps(body).encode()
    # Google's emulator lists collections for its owner alone.
    headers = {"Authorization": "Bearer owner"} | ({"Content-Type": JSON} if content else {})
    request = urllib.request.Request(f"http://{host}{path}", content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["Content-Type"].startswith(JSON)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            assert error.headers["Content-Type"].startswith(JSON)
            told = json.load(error)
            return error.code, told


def at(path: str, query: str = "") -> str:
    return f"/v1/{quote(f'{DOCUMENTS}/{path}', safe='/()')}{query}"


def values(answer: Any) -> dict[str, Any]:
    return {name: next(iter(one.values())) for name, one in answer.get("fields", {}).items()}


def test_a_document_is_had(host: str, client: firestore.Client) -> None:
    client.document("c/é a").set({"n": 1, "m": {"x": [None, 1.5, True]}, "s": "é"})
    status, found = ask(host, "GET", at("c/é a"))
    assert status == 200
    assert found["name"] == f"{DOCUMENTS}/c/é a"
    assert found["fields"] == {
        "n": {"integerValue": "1"},
        "m": {
            "mapValue": {
                "fields": {
                    "x": {
                        "arrayValue": {
                            "values": [
                                {"nullValue": None},
                                {"doubleValue": 1.5},
                                {"booleanValue": True},
                            ]
                        }
                    }
                }
            }
        },
        "s": {"stringValue": "é"},
    }
    assert {"createTime", "updateTime"} < set(found)
    masked = ask(host, "GET", at("c/é a", "?mask.fieldPaths=n&mask.fieldPaths=none"))[1]
    assert values(masked) == {"n": "1"}
    status, told = ask(host, "GET", at("c/none"))
    assert (status, told["error"]["status"]) == (404, "NOT_FOUND")


def test_a_document_whose_name_has_lines_is_had(host: str, client: firestore.Client) -> None:
    body = {"fields": {"n": {"integerValue": "1"}}}
    path = "c/a\nb:commit"
    assert ask(host, "PATCH", at(path), body)[0] == 200
    status, found = ask(host, "GET", at(path))
    assert (status, found["name"]) == (200, f"{DOCUMENTS}/{path}")
    assert ask(host, "GET", at("c/a\nb/d")) == (200, {})
    assert ask(host, "DELETE", at(path)) == (200, {})


@pytest.mark.parametrize("name", ["\ud800", 5, None, [], {}])
@pytest.mark.parametrize("call", ["commit", "batchWrite", "runQuery", "beginTransaction"])
def test_a_verification_of_nothing_is_the_clients_fault(
    embedded: EmbeddedFirestore, call: str, name: Any
) -> None:
    status, told = ask(
        embedded.host, "POST", f"/v1/{DOCUMENTS}:{call}", {"writes": [{"verify": name}]}
    )
    if call in ("commit", "batchWrite"):
        assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")
    else:
        # They have no writes.
        assert status == 200


def test_documents_are_listed_in_pages(host: str, client: firestore.Client) -> None:
    for number in range(5):
        client.document(f"c/{number}").set({"n": number})
    client.document("c/0/d/x").set({"n": 9})
    client.document("c/missing/d/x").set({})
    found, token = [], ""
    while True:
        page = ask(host, "GET", at("c", f"?pageSize=2&pageToken={quote(token)}"))[1]
        found += [one["name"].rpartition("/")[2] for one in page["documents"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert found == ["0", "1", "2", "3", "4"]
    assert len(ask(host, "GET", at("c", "?showMissing=true"))[1]["documents"]) == 6
    turned = ask(host, "GET", at("c", "?orderBy=n%20desc&mask.fieldPaths=n"))[1]
    assert [values(one) for one in turned["documents"]] == [{"n": str(n)} for n in range(4, -1, -1)]
    below = ask(host, "GET", at("c/0/d"))[1]["documents"]
    assert [one["name"] for one in below] == [f"{DOCUMENTS}/c/0/d/x"]
    assert ask(host, "GET", at("nothing")) == (200, {})


def test_a_document_is_created(host: str, client: firestore.Client) -> None:
    body = {"fields": {"n": {"integerValue": "1"}}}
    status, made = ask(host, "POST", at("c", "?documentId=a"), body)
    assert (status, made["name"], values(made)) == (200, f"{DOCUMENTS}/c/a", {"n": "1"})
    status, told = ask(host, "POST", at("c", "?documentId=a"), body)
    assert (status, told["error"]["status"]) == (409, "ALREADY_EXISTS")
    status, made = ask(host, "POST", at("c/a/d"), body)
    assert status == 200
    assert made["name"].startswith(f"{DOCUMENTS}/c/a/d/")
    assert len(made["name"].rpartition("/")[2]) == 20
    assert client.document("c/a").get().to_dict() == {"n": 1}


def test_a_document_is_patched(host: str, client: firestore.Client) -> None:
    body = {"fields": {"n": {"integerValue": "2"}}}
    assert ask(host, "PATCH", at("c/a"), body)[0] == 200
    client.document("c/a").update({"s": "x", "m": {"x": 1, "y": 2}})
    mask = "updateMask.fieldPaths=n&updateMask.fieldPaths=m.x"
    status, made = ask(host, "PATCH", at("c/a", f"?{mask}&mask.fieldPaths=n"), body)
    assert (status, values(made)) == (200, {"n": "2"})
    assert client.document("c/a").get().to_dict() == {"n": 2, "s": "x", "m": {"y": 2}}
    assert ask(host, "PATCH", at("c/a"), body)[0] == 200
    assert client.document("c/a").get().to_dict() == {"n": 2}
    status, told = ask(host, "PATCH", at("c/b", "?currentDocument.exists=true"), body)
    assert (status, told["error"]["status"]) == (404, "NOT_FOUND")
    status, told = ask(host, "PATCH", at("c/a", "?currentDocument.exists=false"), body)
    assert (status, told["error"]["status"]) == (409, "ALREADY_EXISTS")
    then = "?currentDocument.updateTime=2020-01-01T00:00:00Z"
    status, told = ask(host, "PATCH", at("c/a", then), body)
    assert (status, told["error"]["status"]) == (400, "FAILED_PRECONDITION")


def test_a_document_is_patched_if_it_is_as_it_was(embedded: EmbeddedFirestore) -> None:
    # Google's emulator takes any update time for 0.
    made = ask(embedded.host, "PATCH", at("c/a"), {"fields": {}})[1]
    same = at("c/a", f"?currentDocument.updateTime={made['updateTime']}")
    body = {"fields": {"n": {"integerValue": "1"}}}
    assert ask(embedded.host, "PATCH", same, body)[0] == 200
    assert ask(embedded.host, "PATCH", same, body)[0] == 400
    assert ask(embedded.host, "DELETE", same)[0] == 400


def test_a_document_is_deleted(host: str, client: firestore.Client) -> None:
    client.document("c/a").set({"n": 1})
    then = "?currentDocument.updateTime=2020-01-01T00:00:00Z"
    assert ask(host, "DELETE", at("c/a", then))[0] == 400
    assert ask(host, "DELETE", at("c/a")) == (200, {})
    assert not client.document("c/a").get().exists
    assert ask(host, "DELETE", at("c/a")) == (200, {})
    assert ask(host, "DELETE", at("c/a", "?currentDocument.exists=true"))[0] == 404


def test_calls_with_a_name_are_answered(host: str, client: firestore.Client) -> None:
    root = f"/v1/{DOCUMENTS}"
    write = {"update": {"name": f"{DOCUMENTS}/c/a", "fields": {"n": {"integerValue": "1"}}}}
    status, done = ask(host, "POST", f"{root}:commit", {"writes": [write]})
    assert (status, len(done["writeResults"])) == (200, 1)
    client.document("c/a/d/x").set({})
    assert ask(host, "POST", f"{root}:listCollectionIds", {})[1]["collectionIds"] == ["c"]
    assert ask(host, "POST", f"{at('c/a')}:listCollectionIds", {})[1]["collectionIds"] == ["d"]
    query = {"structuredQuery": {"from": [{"collectionId": "c"}]}}
    found = ask(host, "POST", f"{root}:runQuery", query)[1]
    assert [one["document"]["name"] for one in found] == [f"{DOCUMENTS}/c/a"]
    names = {"documents": [f"{DOCUMENTS}/c/{name}" for name in "ab"]}
    found = ask(host, "POST", f"{root}:batchGet", names)[1]
    assert [one["found"]["name"] for one in found if "found" in one] == [f"{DOCUMENTS}/c/a"]
    assert [one["missing"] for one in found if "missing" in one] == [f"{DOCUMENTS}/c/b"]
    begun = ask(host, "POST", f"{root}:beginTransaction", {})[1]["transaction"]
    assert ask(host, "POST", f"{root}:rollback", {"transaction": begun}) == (200, {})


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        (
            "PUT",
            f"/emulator/v1/projects/{PROJECT}:securityRules",
            501,
            "enforces no security rules",
        ),
        ("GET", f"/emulator/v1/projects/{PROJECT}:ruleCoverage.html", 501, "has no GET"),
        ("POST", f"/v1/{DOCUMENTS}:executePipeline", 501, "Enterprise edition"),
        ("POST", f"/v1/{DOCUMENTS}:nothing", 501, 'no REST call "nothing"'),
        ("POST", f"/v1/{DOCUMENTS}:write", 501, 'no REST call "write"'),
        ("GET", f"/v1/projects/{PROJECT}/databases", 501, "no REST call GET"),
        ("GET", "/v1beta1/x", 404, "There is no GET"),
        ("PUT", at("c/a"), 501, "no REST call PUT"),
        ("DELETE", at("c"), 501, "no REST call DELETE"),
        ("GET", at("c/a", "?nothing=1"), 400, 'Unknown name "nothing"'),
        ("GET", at("c/a", "?mask.nothing=1"), 400, 'Unknown name "mask.nothing"'),
        ("GET", at("c", "?pageSize=x"), 400, "not valid"),
        ("DELETE", at("c/a", "?currentDocument.exists=x"), 400, "not valid"),
    ],
    # Not by the path, which has the project in it, which every process has of its own.
    ids=range(13),
)
def test_what_is_not_served_is_said(
    embedded: EmbeddedFirestore, method: str, path: str, status: int, words: str
) -> None:
    body: Any = {} if method in ("PUT", "POST") else None
    found, told = ask(embedded.host, method, path, body)
    assert (found, told["error"]["code"]) == (status, status)
    assert words in told["error"]["message"]


def test_what_google_takes_with_every_call_changes_nothing(embedded: EmbeddedFirestore) -> None:
    assert ask(embedded.host, "GET", at("c", "?key=k&alt=json&prettyPrint=false")) == (200, {})


@pytest.mark.parametrize("call", ["RunQuery", "RunAggregationQuery", "ExecutePipeline"])
def test_explaining_and_pipelines_are_refused_in_words(
    embedded: EmbeddedFirestore, call: str
) -> None:
    query: dict[str, Any] = {"limit": {"value": 1}}
    explain = {"analyze": True}
    request = {
        "RunQuery": lambda: protocol.RunQueryRequest(
            parent=DOCUMENTS, structured_query=query, explain_options=explain
        ),
        "RunAggregationQuery": lambda: protocol.RunAggregationQueryRequest(
            parent=DOCUMENTS,
            structured_aggregation_query={
                "structured_query": query,
                "aggregations": [{"alias": "n", "count": {}}],
            },
            explain_options=explain,
        ),
        "ExecutePipeline": lambda: protocol.RunQueryRequest(parent=DOCUMENTS),
    }[call]()
    with grpc.insecure_channel(embedded.host) as channel:
        called: Any = channel.unary_stream(
            f"/google.firestore.v1.Firestore/{call}", lambda message: message.SerializeToString()
        )
        with pytest.raises(grpc.RpcError) as refused:
            list(called(request))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    words = "Enterprise edition" if call == "ExecutePipeline" else "cannot explain queries"
    assert words in str(refused.value.details())
