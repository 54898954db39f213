"""What pages do with Firebase's web SDK on the embedded Firestore, streaming and by polling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.vector import Vector
from playwright.sync_api import Browser, Page

from flask_boiler.embedded import EmbeddedFirestore
from tests.e2e.node import firebase_packages
from tests.e2e.sdk_page import PAGE, TIMEOUT_MS, serving, wait_shown

#: As many listeners as Google's emulator is known to carry.
MANY = 150

#: The same page with the SDK that does not listen.
LITE = PAGE.replace("firebase-firestore.js", "firebase-firestore-lite.js").replace(
    "initializeFirestore(made, settings)", "getFirestore(made)"
)


def asked(page: Page, body: str) -> Any:
    """What an asynchronous function in the page returns; ``c`` is its collection."""
    return page.evaluate(
        "async () => { const c = fs.collection(db, 'c');"
        "const code = (promise) => promise.then(() => 'done', (error) => error.code);"
        "const ids = (found) => found.docs.map((one) => one.id);"
        f"{body} }}"
    )


@pytest.fixture
def lite_page(browser: Browser, embedded_firestore: EmbeddedFirestore) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    with serving(LITE, firebase_packages() / "firebase") as port:
        page.goto(f"http://127.0.0.1:{port}/?firestore={embedded_firestore.host}")
        page.wait_for_function("window.ready")
        yield page
    page.close()


VALUES = """
  const values = {
    text: "é 🎉 日本", integer: Number.MAX_SAFE_INTEGER, double: 0.1, infinite: -Infinity,
    nothing: null, yes: true, list: [1, {deep: [2]}], map: {"a.b": {"`": 1}}, empty: {},
    bytes: fs.Bytes.fromUint8Array(new Uint8Array([0, 255, 7])),
    place: new fs.GeoPoint(35.68, -139.69), time: new fs.Timestamp(1700000000, 123456000),
    reference: fs.doc(db, "c/other"), vector: fs.vector([0.5, -1, 2]), nan: NaN,
  };
  await fs.setDoc(fs.doc(c, "a"), values);
"""
#: The names of values that are not what they were.
COMPARED = """
  const found = (await READ(fs.doc(c, "a"))).data();
  const same = (a, b) =>
    a !== null && typeof a === "object" && typeof a.isEqual === "function" ? a.isEqual(b)
    : a !== null && typeof a === "object" && a.type === "document" ? fs.refEqual(a, b)
    : a !== null && typeof a === "object"
      ? Object.keys(a).length === Object.keys(b).length
        && Object.keys(a).every((key) => same(a[key], b[key]))
    : Object.is(a, b);
  return Object.keys(values).filter((name) => !same(values[name], found[name]));
"""


def check_stored(client: Any) -> None:
    stored = client.document("c/a").get().to_dict()
    assert math.isnan(stored.pop("nan"))
    assert stored == {
        "text": "é 🎉 日本",
        "integer": 2**53 - 1,
        "double": 0.1,
        "infinite": float("-inf"),
        "nothing": None,
        "yes": True,
        "list": [1, {"deep": [2]}],
        "map": {"a.b": {"`": 1}},
        "empty": {},
        "bytes": b"\x00\xff\x07",
        "place": GeoPoint(35.68, -139.69),
        "time": DatetimeWithNanoseconds.from_rfc3339("2023-11-14T22:13:20.123456Z"),
        "reference": client.document("c/other"),
        "vector": Vector([0.5, -1.0, 2.0]),
    }


def test_values_come_back(page: Page, client: Any) -> None:
    assert asked(page, VALUES + COMPARED.replace("READ", "fs.getDocFromServer")) == []
    check_stored(client)


def test_transforms_and_merging(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1, "list": [1, 2], "gone": 1, "map": {"kept": 1}})
    at = asked(
        page,
        """await fs.updateDoc(fs.doc(c, "a"), {
             n: fs.increment(2.5), list: fs.arrayUnion(2, 3), gone: fs.deleteField(),
             at: fs.serverTimestamp(), "map.set": fs.arrayRemove(1)});
           await fs.setDoc(fs.doc(c, "a"), {map: {merged: true}}, {merge: true});
           return (await fs.getDocFromServer(fs.doc(c, "a"))).get("at").toMillis();""",
    )
    stored = client.document("c/a").get().to_dict()
    assert int(stored.pop("at").timestamp() * 1000) == at
    assert stored == {
        "n": 3.5,
        "list": [1, 2, 3],
        "map": {"kept": 1, "set": [], "merged": True},
    }


def test_a_batch_is_done_as_a_whole(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    batch = """const batch = fs.writeBatch(db);
      batch.set(fs.doc(c, "b"), {n: 2}).update(fs.doc(c, "a"), {n: fs.increment(1)});"""
    refused = asked(
        page, batch + "batch.update(fs.doc(c, 'no'), {n: 1}); return code(batch.commit())"
    )
    assert refused == "not-found"
    assert [one.to_dict() for one in client.collection("c").stream()] == [{"n": 1}]
    assert (
        asked(page, batch + "batch.delete(fs.doc(c, 'no')); return code(batch.commit())") == "done"
    )
    assert [one.to_dict() for one in client.collection("c").stream()] == [{"n": 2}, {"n": 2}]


QUERIES = {
    'fs.where("n", "in", [2, 4, 9])': ["d2", "d4"],
    'fs.where("n", "not-in", [1, 2, 3])': ["d4", "d5", "d6"],
    'fs.where("n", "!=", 1), fs.limit(2)': ["d2", "d3"],
    'fs.where("tags", "array-contains", "odd")': ["d1", "d3", "d5"],
    'fs.where("tags", "array-contains-any", ["d2", "d5"])': ["d2", "d5"],
    'fs.or(fs.where("n", "<", 2), fs.and(fs.where("even", "==", true), fs.where("n", ">", 4)))': [
        "d1",
        "d6",
    ],
    'fs.where("even", "==", true), fs.orderBy("n", "desc")': ["d6", "d4", "d2"],
    'fs.orderBy("n"), fs.startAfter(2), fs.endAt(4)': ["d3", "d4"],
    'fs.orderBy("n"), fs.startAt(fifth), fs.limit(1)': ["d5"],
    'fs.orderBy("n"), fs.endBefore(fifth), fs.limitToLast(2)': ["d3", "d4"],
    'fs.where(fs.documentId(), ">", "d4")': ["d5", "d6"],
}


def store_six(client: Any) -> None:
    for n in range(1, 7):
        tags = [f"d{n}", "even" if n % 2 == 0 else "odd"]
        client.document(f"c/d{n}").set({"n": n, "even": n % 2 == 0, "tags": tags})


def found_by(page: Page, read: str) -> dict[str, list[str]]:
    queries = ",".join(f"[{number}, [{query}]]" for number, query in enumerate(QUERIES))
    found = asked(
        page,
        f"""const fifth = await {read.replace("Docs", "Doc")}(fs.doc(c, "d5"));
            const all = await Promise.all([{queries}].map(async ([number, asked]) =>
              [number, ids(await {read}(fs.query(c, ...asked)))]));
            return all;""",
    )
    return {query: dict(found)[number] for number, query in enumerate(QUERIES)}


def test_queries(page: Page, client: Any) -> None:
    store_six(client)
    assert found_by(page, "fs.getDocsFromServer") == QUERIES


def test_aggregations(page: Page, client: Any) -> None:
    store_six(client)
    found = asked(
        page,
        """const some = fs.query(c, fs.where("n", ">", 2));
           return (await fs.getAggregateFromServer(some, {
             count: fs.count(), sum: fs.sum("n"), average: fs.average("n")})).data();""",
    )
    assert found == {"count": 4, "sum": 18, "average": 4.5}


def test_a_group_is_listened_to_and_says_what_changes(page: Page, client: Any) -> None:
    client.document("a/1/deep/x").set({"n": 1})
    client.document("b/1/deep/y").set({"n": 2})
    page.evaluate(
        """window.kinds = [];
           fs.onSnapshot(fs.query(fs.collectionGroup(db, "deep"), fs.orderBy("n")), (found) =>
             kinds.push(...found.docChanges().map((one) => `${one.type} ${one.doc.ref.path}`)));
           0"""
    )
    page.wait_for_function("kinds.length === 2")
    client.document("b/1/other/z").set({"n": 0})
    client.document("a/1/deep/x").update({"n": 3})
    page.wait_for_function("kinds.length === 3")
    client.document("b/1/deep/y").delete()
    page.wait_for_function("kinds.length === 4")
    assert page.evaluate("kinds") == [
        "added a/1/deep/x",
        "added b/1/deep/y",
        "modified a/1/deep/x",
        "removed b/1/deep/y",
    ]


def test_a_page_with_many_listeners_reads_and_writes_beside_them(page: Page, client: Any) -> None:
    page.evaluate(
        f"for (let n = 0; n < {MANY}; n++)"
        " watch(`w${n}`, n % 2 ? fs.doc(db, `c/${n}`)"
        " : fs.query(fs.collection(db, 'c'), fs.where('n', '==', n)))"
    )
    batch = client.batch()
    for n in range(MANY):
        batch.set(client.document(f"c/{n}"), {"n": n})
    batch.commit()
    page.wait_for_function(
        f"[...Array({MANY}).keys()].every((n) =>"
        " shows(`w${n}`, n % 2 ? {n} : [[String(n), {n}]]))"
    )
    assert asked(page, "await fs.setDoc(fs.doc(c, '1'), {n: -1}); return code(fs.getDocs(c));") == (
        "done"
    )
    wait_shown(page, "w1", {"n": -1})


def test_a_page_that_was_offline_catches_up(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    page.evaluate("watch('all', fs.query(fs.collection(db, 'c'), fs.orderBy('n')))")
    wait_shown(page, "all", [["a", {"n": 1}]])
    assert asked(
        page, "await fs.disableNetwork(db); return code(fs.getDocFromServer(fs.doc(c, 'a')))"
    ) == ("unavailable")
    client.document("c/other").set({"n": 3})
    page.evaluate("window.written = fs.setDoc(fs.doc(db, 'c/own'), {n: 2}); 0")
    page.wait_for_function("last('all').pending && last('all').cached")
    assert page.evaluate("last('all').data") == [["a", {"n": 1}], ["own", {"n": 2}]]
    assert not client.document("c/own").get().exists
    page.evaluate("fs.enableNetwork(db).then(() => written)")
    wait_shown(page, "all", [["a", {"n": 1}], ["own", {"n": 2}], ["other", {"n": 3}]])
    assert client.document("c/own").get().get("n") == 2


def test_errors_have_the_codes_that_pages_know(
    page: Page, client: Any, embedded_firestore: EmbeddedFirestore
) -> None:
    client.document("c/a").set({"n": 1})
    assert asked(page, "return code(fs.updateDoc(fs.doc(c, 'no'), {n: 1}))") == "not-found"
    large = "return code(fs.setDoc(fs.doc(c, 'a'), {text: 'x'.repeat(1100000)}))"
    assert asked(page, large) == "invalid-argument"
    # After a refusal the stream of writes goes on.
    assert asked(page, "return code(fs.setDoc(fs.doc(c, 'a'), {n: 2}))") == "done"
    attempt = """return code(fs.runTransaction(db, async (transaction) => {
      await transaction.get(fs.doc(c, ID));
      await fs.setDoc(fs.doc(c, ID), {n: 5});
      transaction.set(fs.doc(c, ID), {n: 6});
    }, {maxAttempts: 1}))"""
    assert asked(page, attempt.replace("ID", "'new'")) == "already-exists"
    assert asked(page, attempt.replace("ID", "'a'")) == "failed-precondition"
    assert client.document("c/a").get().get("n") == 5
    embedded_firestore.faults.reject("secrets")
    secret = "return code(fs.getDocsFromServer(fs.collection(db, 'secrets')))"
    assert asked(page, secret) == "permission-denied"
    embedded_firestore.faults.fail("Write", grpc.StatusCode.PERMISSION_DENIED)
    refused = "return code(fs.setDoc(fs.doc(c, 'b'), {n: 1}))"
    assert asked(page, refused) == "permission-denied"
    assert not client.document("c/b").get().exists


def test_the_lite_sdk_does_the_same(lite_page: Page, client: Any) -> None:
    page = lite_page
    assert asked(page, VALUES + COMPARED.replace("READ", "fs.getDoc")) == []
    check_stored(client)
    client.document("c/a").delete()
    store_six(client)
    assert found_by(page, "fs.getDocs") == QUERIES
    asked(
        page,
        """await fs.updateDoc(fs.doc(c, "d1"), {tags: fs.arrayUnion("x"), n: fs.increment(1),
             even: fs.deleteField(), at: fs.serverTimestamp()});
           const batch = fs.writeBatch(db);
           batch.delete(fs.doc(c, "d2")).set(fs.doc(c, "d3"), {more: 1}, {merge: true});
           await batch.commit();""",
    )
    changed = client.document("c/d1").get().to_dict()
    assert (changed["n"], changed["tags"], "even" in changed) == (2, ["d1", "odd", "x"], False)
    assert "at" in changed
    assert client.document("c/d3").get().get("more") == 1
    counted = "return (await fs.getAggregate(c, {n: fs.count(), sum: fs.sum('n')})).data();"
    assert asked(page, counted) == {"n": 5, "sum": 20}
    assert asked(page, "return code(fs.updateDoc(fs.doc(c, 'no'), {n: 1}))") == "not-found"
    attempt = """return code(fs.runTransaction(db, async (transaction) => {
      await transaction.get(fs.doc(c, "d1"));
      await fs.setDoc(fs.doc(c, "d1"), {n: 9});
      transaction.set(fs.doc(c, "d1"), {n: 0});
    }, {maxAttempts: 1}))"""
    assert asked(page, attempt) == "failed-precondition"
    assert client.document("c/d1").get().get("n") == 9
