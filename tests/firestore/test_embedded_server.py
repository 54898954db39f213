"""The embedded Firestore, as google-cloud-firestore sees it."""

from __future__ import annotations

import contextlib
import datetime
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.base_query import FieldFilter, Or
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import ConfigurationError
from flask_boiler.local.attached import AttachedFirestore


@pytest.fixture
def server() -> Iterator[EmbeddedFirestore]:
    with EmbeddedFirestore() as running:
        yield running


@pytest.fixture
def db(server: EmbeddedFirestore) -> Iterator[firestore.Client]:
    client = local_client(server.host, project="demo", database="(default)")
    yield client
    close_client(client)


def test_every_kind_of_value_comes_back_as_it_was(db: firestore.Client) -> None:
    fields = {
        "null": None,
        "yes": True,
        "int": 2**62,
        "double": -0.5,
        "time": datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC),
        "text": "ä\0\U0001f600",
        "bytes": b"\0\xff",
        "place": GeoPoint(1.5, -2.5),
        "array": [1, {"a": []}, "x"],
        "map": {"a b": {"c.d": 1}, "`": 2},
        "vector": Vector([1.0, 2.5]),
    }
    reference = db.document("kinds/one")
    reference.set({**fields, "reference": reference})
    found = reference.get().to_dict()
    assert found is not None
    assert found.pop("reference") == reference
    assert found == fields


def test_writes_have_their_preconditions(db: firestore.Client) -> None:
    reference = db.document("cities/SF")
    with pytest.raises(exceptions.NotFound, match=r"No document to update: .*SF"):
        reference.update({"n": 1})
    reference.create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists, match=r"Document already exists: .*SF"):
        reference.create({"n": 2})
    first = reference.get()
    future = first.update_time + datetime.timedelta(hours=1)
    with pytest.raises(exceptions.InvalidArgument):
        reference.delete(option=db.write_option(last_update_time=future))
    with pytest.raises(exceptions.FailedPrecondition):
        db.document("cities/none").delete(option=db.write_option(last_update_time=future))
    written = reference.update({"n": firestore.Increment(4), "tags": firestore.ArrayUnion(["a"])})
    with pytest.raises(exceptions.FailedPrecondition):
        reference.update({"n": 7}, option=db.write_option(last_update_time=first.update_time))
    found = reference.get()
    assert found.to_dict() == {"n": 5, "tags": ["a"]}
    assert found.update_time == written.update_time
    assert found.create_time == first.create_time


def test_what_is_missing_comes_after_what_is_there(db: firestore.Client) -> None:
    db.document("cities/b").set({})
    references = [db.document(f"cities/{letter}") for letter in "abc"]
    found = [(snapshot.id, snapshot.exists) for snapshot in db.get_all(references)]
    assert found == [("b", True), ("a", False), ("c", False)]


def test_a_batch_is_all_or_nothing(db: firestore.Client) -> None:
    batch = db.batch()
    batch.set(db.document("cities/SF"), {"n": 1})
    batch.update(db.document("cities/missing"), {"n": 1})
    with pytest.raises(exceptions.NotFound):
        batch.commit()
    assert not db.document("cities/SF").get().exists


def test_queries_are_answered(db: firestore.Client) -> None:
    for n in range(6):
        db.document(f"cities/c{n}").set({"n": n, "even": n % 2 == 0})
    db.document("cities/c0/parks/p").set({"n": 9})
    cities = db.collection("cities")

    def ids(query: Any) -> list[str]:
        return [snapshot.id for snapshot in query.get()]

    assert ids(cities.where(filter=FieldFilter("n", ">", 3))) == ["c4", "c5"]
    assert ids(cities.order_by("n").limit_to_last(2)) == ["c4", "c5"]
    assert ids(cities.order_by("n", direction="DESCENDING").offset(1).limit(2)) == ["c4", "c3"]
    either = Or([FieldFilter("n", "==", 1), FieldFilter("n", "==", 4)])
    assert ids(cities.where(filter=either)) == ["c1", "c4"]
    assert ids(cities.order_by("n").start_after(db.document("cities/c3").get())) == ["c4", "c5"]
    assert ids(db.collection_group("parks")) == ["p"]
    even: Any = cities.where(filter=FieldFilter("even", "==", True)).count()
    assert even.get()[0][0].value == 3
    total: Any = cities.sum("n")
    assert total.get()[0][0].value == 15
    shown = cities.select(["even"]).limit(1).get()[0]
    assert shown.to_dict() == {"even": True}


def test_collections_are_listed(db: firestore.Client) -> None:
    db.document("cities/SF/parks/p").set({})
    db.document("cities/NY").set({})
    assert [reference.id for reference in db.collection("cities").list_documents()] == ["NY", "SF"]
    assert [collection.id for collection in db.collections()] == ["cities"]
    assert [found.id for found in db.document("cities/SF").collections()] == ["parks"]
    db.recursive_delete(db.collection("cities"))
    assert list(db.collections()) == []


def test_a_group_is_cut_into_partitions(db: firestore.Client) -> None:
    batch = db.batch()
    for n in range(400):
        batch.set(db.document(f"cities/c{n % 7}/parks/p{n:03}"), {"n": n})
    batch.commit()
    group = db.collection_group("parks")
    parts = list(group.get_partitions(4))
    assert len(parts) == 3
    found = [snapshot.reference.path for part in parts for snapshot in part.query().stream()]
    assert found == [snapshot.reference.path for snapshot in group.stream()]


def test_the_past_can_be_read(db: firestore.Client) -> None:
    reference = db.document("cities/SF")
    before: Any = reference.set({"n": 1}).update_time
    reference.set({"n": 2})
    assert reference.get(read_time=before).to_dict() == {"n": 1}
    assert [s.get("n") for s in db.collection("cities").stream(read_time=before)] == [1]
    hours_ago = before - datetime.timedelta(hours=2)
    with pytest.raises(exceptions.FailedPrecondition):
        reference.get(read_time=hours_ago)


def test_concurrent_transactions_count_to_their_sum(db: firestore.Client) -> None:
    reference = db.document("counters/c")
    reference.set({"n": 0})
    done: list[int] = []

    @firestore.transactional
    def add(transaction: firestore.Transaction) -> None:
        n = reference.get(transaction=transaction).get("n")
        transaction.update(reference, {"n": n + 1})

    def count() -> None:
        while len(done) < 40:
            try:
                add(db.transaction(max_attempts=20))
            except (exceptions.Aborted, ValueError):
                continue  # contention; given up after twenty attempts
            done.append(1)

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reference.get().get("n") == len(done)


def test_a_transaction_whose_reads_have_changed_is_aborted(db: firestore.Client) -> None:
    reference = db.document("counters/c")
    reference.set({"n": 0})
    transaction = db.transaction()
    transaction._begin()
    reference.get(transaction=transaction)
    reference.set({"n": 5})
    transaction.set(db.document("counters/d"), {"n": 1})
    with pytest.raises(exceptions.Aborted, match="counters/c was changed"):
        transaction._commit()
    assert not db.document("counters/d").get().exists


def test_a_transaction_whose_query_has_changed_is_aborted(db: firestore.Client) -> None:
    transaction = db.transaction()
    transaction._begin()
    query = db.collection("counters").where(filter=FieldFilter("n", ">", 3))
    assert list(query.stream(transaction=transaction)) == []
    db.document("counters/low").set({"n": 1})
    # What does not belong to the result is no conflict.
    assert list(query.stream(transaction=transaction)) == []
    db.document("counters/high").set({"n": 7})
    transaction.set(db.document("counters/d"), {"n": 1})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()


def test_worlds_are_separate(server: EmbeddedFirestore, db: firestore.Client) -> None:
    db.document("cities/SF").set({"n": 1})
    for project, database in (("demo", "other"), ("other", "(default)")):
        other = local_client(server.host, project=project, database=database)
        assert not other.document("cities/SF").get().exists
        close_client(other)


def test_it_stays_at_its_place_and_keeps_its_data(tmp_path: Path) -> None:
    server = EmbeddedFirestore(tmp_path / "data.db").start()
    host = server.host
    client = local_client(host, project="demo", database="(default)")
    client.document("cities/SF").set({"n": 1})
    server.stop()
    with server:
        assert server.host == host
        assert client.document("cities/SF").get().to_dict() == {"n": 1}
    close_client(client)


def test_it_says_that_it_checks_no_rules(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), EmbeddedFirestore():
        pass
    assert "it checks no security rules" in caplog.text
    assert {record.name for record in caplog.records} == {"flask_boiler.embedded"}


def test_it_listens_for_this_machine_alone() -> None:
    with pytest.raises(ConfigurationError, match=r"does not listen at 0\.0\.0\.0"):
        EmbeddedFirestore(address="0.0.0.0")


@pytest.mark.parametrize("address", ["::1", "[::1]", "localhost"])
def test_it_is_reached_at_any_address_of_this_machine(address: str) -> None:
    if "::1" in address and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with EmbeddedFirestore(address=address) as server:
        client = local_client(server.host, project="demo", database="(default)")
        client.document("a/b").set({"n": 1}, retry=None, timeout=30)
        assert client.document("a/b").get(retry=None, timeout=30).get("n") == 1
        close_client(client)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 65_536), ("a..b", 0)])
def test_a_place_that_is_none_is_a_clear_error(address: str, port: int) -> None:
    server = EmbeddedFirestore(address=address, port=port, allow_remote=True)
    with pytest.raises(ConfigurationError, match=rf"cannot listen at {address}:{port}"):
        server.start()


def test_a_port_that_is_taken_is_a_clear_error(server: EmbeddedFirestore) -> None:
    port = int(server.host.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=rf"cannot listen at 127\.0\.0\.1:{port}"):
        EmbeddedFirestore(port=port).start()


@pytest.mark.skipif(sys.platform != "linux", reason="it counts its open files in /proc")
def test_it_takes_connections_again_when_there_was_no_room_for_more() -> None:
    room = 20
    program = (
        "import os, resource\n"
        "from flask_boiler.embedded import EmbeddedFirestore\n"
        "with EmbeddedFirestore() as server:\n"
        f"    most = len(os.listdir('/proc/self/fd')) + {room}\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        "    print(server.host, flush=True)\n"
        "    input()\n"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        contextlib.ExitStack() as connections,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        host = process.stdout.readline().strip()
        address, _, port = host.partition(":")
        for _ in range(2 * room):
            connections.enter_context(socket.create_connection((address, int(port))))
        assert any("cannot take a connection" in line for line in process.stderr)
        connections.close()
        AttachedFirestore(host)  # it answers
        process.communicate("\n")
    assert process.returncode == 0


def test_a_program_that_does_not_stop_it_ends_all_the_same() -> None:
    program = (
        "import threading\n"
        "from flask_boiler.embedded import EmbeddedFirestore\n"
        "from flask_boiler.context.clients import local_client\n"
        "host = EmbeddedFirestore().start().host\n"
        "db = local_client(host, project='demo', database='(default)')\n"
        "heard = threading.Event()\n"
        "watch = db.collection('cities').on_snapshot(lambda *_: heard.set())\n"
        "heard.wait()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
