"""Firebase's web SDK, unmodified, in a headless Chromium, on the embedded Firestore."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from flask_boiler.context.clients import local_client
from flask_boiler.embedded import EmbeddedFirestore
from tests.e2e.node import firebase_packages
from tests.e2e.sdk_page import PROJECT, VENDOR, serving, wait_shown


def test_a_page_sees_what_others_write(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    page.evaluate("watch('one', fs.doc(db, 'c/a'))")
    page.evaluate(
        "watch('two', fs.query(fs.collection(db, 'c'), fs.orderBy('n', 'desc'), fs.limit(2)))"
    )
    wait_shown(page, "one", {"n": 1})
    for number in range(2, 6):
        client.document(f"c/{number}").set({"n": number})
    wait_shown(page, "two", [["5", {"n": 5}], ["4", {"n": 4}]])
    client.document("c/5").delete()
    wait_shown(page, "two", [["4", {"n": 4}], ["3", {"n": 3}]])
    client.document("c/a").set({"text": "é 🎉 日本", "deep": {"list": [1.5, True, None]}})
    wait_shown(page, "one", {"deep": {"list": [1.5, True, None]}, "text": "é 🎉 日本"})
    client.document("c/a").delete()
    wait_shown(page, "one", None)


@pytest.mark.long
def test_a_page_that_only_listens_is_told_without_end(page: Page, client: Any) -> None:
    text = "x" * 100_000
    page.evaluate("watch('one', fs.doc(db, 'c/a'))")
    for n in range(150):
        client.document("c/a").set({"n": n, "text": text})
        page.wait_for_function(f"last('one').data?.n === {n}")


def test_others_see_what_a_page_writes(page: Page, client: Any) -> None:
    page.evaluate("watch('all', fs.collection(db, 'c'))")
    wait_shown(page, "all", [])
    page.evaluate("fs.setDoc(fs.doc(db, 'c/a'), {n: 1})")
    assert client.document("c/a").get().to_dict() == {"n": 1}
    page.evaluate("fs.updateDoc(fs.doc(db, 'c/a'), {n: fs.increment(2), s: 'x'})")
    assert client.document("c/a").get().to_dict() == {"n": 3, "s": "x"}
    # Nothing changes, and yet the page must hear that it was written.
    page.evaluate("fs.setDoc(fs.doc(db, 'c/a'), {n: 3, s: 'x'})")
    wait_shown(page, "all", [["a", {"n": 3, "s": "x"}]])
    page.evaluate(
        "Promise.all([...Array(20).keys()].map((i) => fs.setDoc(fs.doc(db, 'many/' + i), {i})))"
    )
    assert len(list(client.collection("many").stream())) == 20
    page.evaluate("fs.deleteDoc(fs.doc(db, 'c/a'))")
    assert not client.document("c/a").get().exists
    wait_shown(page, "all", [])


def test_transactions_and_aggregations(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    client.document("c/b").set({"n": 5})
    page.evaluate(
        """fs.runTransaction(db, async (transaction) => {
             const a = await transaction.get(fs.doc(db, 'c/a'));
             await transaction.get(fs.doc(db, 'c/b'));
             transaction.update(fs.doc(db, 'c/a'), {n: a.data().n + 1});
           })"""
    )
    assert client.document("c/a").get().get("n") == 2
    counted = "fs.getCountFromServer(fs.collection(db, 'c')).then((found) => found.data().count)"
    assert page.evaluate(counted) == 2
    total = (
        "fs.getAggregateFromServer(fs.collection(db, 'c'), {sum: fs.sum('n')})"
        ".then((found) => found.data().sum)"
    )
    assert page.evaluate(total) == 7


def test_a_transaction_whose_reading_is_stale_is_tried_again(page: Page, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    client.document("c/b").set({"n": 1})
    page.evaluate(
        """window.turn = 0; window.done = fs.runTransaction(db, async (transaction) => {
             await transaction.get(fs.doc(db, 'c/b'));
             const a = await transaction.get(fs.doc(db, 'c/a'));
             turn += 1;
             while (turn === 1 && !window.go) await new Promise((soon) => setTimeout(soon, 5));
             transaction.update(fs.doc(db, 'c/a'), {n: a.data().n + 1});
           }); 0"""
    )
    page.wait_for_function("turn === 1")
    # Only read, and verified all the same.
    client.document("c/b").set({"n": 2})
    page.evaluate("window.go = true; window.done")
    assert page.evaluate("turn") == 2
    assert client.document("c/a").get().get("n") == 2


def test_a_refused_write_is_told(page: Page) -> None:
    refused = "fs.updateDoc(fs.doc(db, 'c/none'), {n: 1}).then(() => 'done', (e) => e.code)"
    assert page.evaluate(refused) == "not-found"
    page.evaluate("fs.setDoc(fs.doc(db, 'c/a'), {n: 1})")


def test_a_lost_stream_is_resumed(
    page: Page, client: Any, embedded_firestore: EmbeddedFirestore
) -> None:
    client.document("c/a").set({"n": 1})
    client.document("c/b").set({"n": 1})
    page.evaluate("watch('all', fs.collection(db, 'c'))")
    wait_shown(page, "all", [["a", {"n": 1}], ["b", {"n": 1}]])
    with embedded_firestore.faults.holding():
        embedded_firestore.faults.drop_streams()
        client.document("c/a").set({"n": 2})
        client.document("c/b").delete()
    wait_shown(page, "all", [["a", {"n": 2}]])


def test_a_rejected_target_is_told(page: Page, embedded_firestore: EmbeddedFirestore) -> None:
    embedded_firestore.faults.reject("secrets")
    page.evaluate("watch('refused', fs.collection(db, 'secrets'))")
    page.wait_for_function("last('refused').error === 'permission-denied'")


def test_a_restarted_server_is_found_again(
    page: Page, embedded_firestore: EmbeddedFirestore
) -> None:
    page.evaluate("watch('one', fs.doc(db, 'c/a'))")
    page.evaluate("fs.setDoc(fs.doc(db, 'c/a'), {n: 1})")
    wait_shown(page, "one", {"n": 1})
    embedded_firestore.stop()
    embedded_firestore.start()
    wait_shown(page, "one", None)
    page.evaluate("fs.setDoc(fs.doc(db, 'c/a'), {n: 2})")
    wait_shown(page, "one", {"n": 2})


LITE = """<!doctype html>
<link rel="icon" href="data:," />
<script type="module">
  import * as app from "./firebase-app.js";
  import * as lite from "./firebase-firestore-lite.js";
  const [host, port] = new URLSearchParams(location.search).get("firestore").split(":");
  const db = lite.getFirestore(app.initializeApp({ projectId: "browsers" }));
  lite.connectFirestoreEmulator(db, host, Number(port), { mockUserToken: { sub: "ada" } });
  const found = async () => {
    await lite.setDoc(lite.doc(db, "c/a"), { n: 1 });
    await lite.runTransaction(db, async (transaction) => {
      const a = await transaction.get(lite.doc(db, "c/a"));
      transaction.set(lite.doc(db, "c/b"), { n: a.data().n + 1 });
    });
    const all = await lite.getDocs(lite.query(lite.collection(db, "c"), lite.orderBy("n")));
    return all.docs.map((one) => [one.id, one.data().n]);
  };
  window.found = found();
</script>
"""


def test_the_lite_sdk_works_in_a_page_of_another_name_of_this_machine(
    browser: Browser, embedded_firestore: EmbeddedFirestore
) -> None:
    page = browser.new_page()
    with serving(LITE, firebase_packages() / "firebase") as port:
        page.goto(f"http://localhost:{port}/?firestore={embedded_firestore.host}")
        assert page.evaluate("window.found") == [["a", 1], ["b", 2]]
    page.close()


def test_a_page_of_somebody_else_gets_nothing_and_changes_nothing(
    browser: Browser, embedded_firestore: EmbeddedFirestore, client: Any
) -> None:
    client.document("c/a").set({"n": 1})
    documents = f"projects/{PROJECT}/databases/(default)/documents"
    delete = json.dumps({"writes": [{"delete": f"{documents}/c/a"}]})
    sent = {"method": "POST", "body": delete}
    asked = [
        ("/", {}),
        ("/emulator/v1/export", {}),
        (f"/emulator/v1/{documents}", {"method": "DELETE"}),
        (f"/v1/{documents}:commit", sent),
        (f"/v1/{documents}:commit", sent | {"mode": "no-cors"}),
    ]
    page = browser.new_page()
    _, _, port = embedded_firestore.host.partition(":")
    with serving("<p>Hello</p>", VENDOR) as own:
        page.goto(f"http://evil.example:{own}/")
        for name in ("127.0.0.1", "localhost", "evil.example"):
            for path, options in asked:
                answer = page.evaluate(
                    "([url, options]) => fetch(url, options)"
                    ".then((answer) => answer.text(), (error) => 'refused')",
                    [f"http://{name}:{port}{path}", options],
                )
                # An answer to what was sent without CORS can never be read.
                assert answer == ("" if "mode" in options else "refused")
        # By its own name it may read all answers; there is none.
        page.goto(f"http://evil.example:{port}/")
        answer = page.evaluate("fetch('/emulator/v1/export').then((answer) => answer.text())")
        assert json.loads(answer)["error"]["status"] == "PERMISSION_DENIED"
    assert client.document("c/a").get().to_dict() == {"n": 1}
    page.close()


def _http(server: EmbeddedFirestore, path: str, **options: Any) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} if "data" in options else {}
    request = urllib.request.Request(f"http://{server.host}{path}", headers=headers, **options)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_what_curl_is_told(embedded_firestore: EmbeddedFirestore, client: Any) -> None:
    assert _http(embedded_firestore, "/") == (200, "Ok\n")
    assert _http(embedded_firestore, "/other")[0] == 404
    client.document("c/a").set({"n": 1})
    documents = f"projects/{PROJECT}/databases/(default)/documents"
    status, text = _http(
        embedded_firestore,
        f"/v1/{documents}:runQuery",
        data=b'{"structuredQuery": {"from": [{"collectionId": "c"}], "limit": -1}}',
    )
    assert status == 400
    assert json.loads(text)["error"]["status"] == "INVALID_ARGUMENT"
    assert _http(embedded_firestore, f"/v1/{documents}:commit", data=b"{]")[0] == 400
    assert _http(embedded_firestore, f"/v1/{documents}:other", data=b"{}")[0] == 501
    channel = "/google.firestore.v1.Firestore/Listen/channel?VER=8&SID=gone&RID=rpc&AID=0"
    assert _http(embedded_firestore, channel)[0] == 400


def test_a_database_is_cleared(embedded_firestore: EmbeddedFirestore, client: Any) -> None:
    client.document("c/a").set({"n": 1})
    other = local_client(embedded_firestore.host, project="other", database="(default)")
    other.document("c/a").set({"n": 1})
    path = f"/emulator/v1/projects/{PROJECT}/databases/(default)/documents"
    assert _http(embedded_firestore, path, method="DELETE")[0] == 200
    assert not client.document("c/a").get().exists
    assert other.document("c/a").get().exists
    other.close()
