"""What forking does to a context; test_context.py runs this in a process of its own."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_boiler import ApplicationContext, Boiler, Config
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import LocalFirestoreNotFoundError
from flask_boiler.ground.values import Write
from flask_boiler.operate.testing.plugin import skip_unless_required


def in_child(act: Callable[[], object]) -> int:
    """Do it in a forked process; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            # Without the parent's atexit hooks, and without pytest's own end.
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# From 3.12 on, Python warns of every fork in a process that has threads, as pytest has here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


@pytest.mark.timeout(60)
def test_a_forked_child_reads_and_writes(boiler: Boiler) -> None:
    """As a worker of gunicorn with --preload does, whose parent has used Firestore already."""
    datastore = boiler.context.datastore
    datastore.commit([Write("set", "a/parent", {"v": 1})])
    list(boiler.context.db.collection("a").stream())

    def work() -> None:
        own = boiler.context.datastore
        assert own is not datastore
        assert own.get(["a/parent"])["a/parent"].get("v") == 1
        own.commit([Write("set", "a/child", {"v": 2})])
        assert len(list(boiler.context.db.collection("a").stream())) == 2

    assert in_child(work) == 0
    assert boiler.context.datastore is datastore
    assert datastore.get(["a/child"])["a/child"].get("v") == 2


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApplicationContext]:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    context = ApplicationContext(Config(app_name="Starts by Itself"))
    try:
        _ = context.db
    except LocalFirestoreNotFoundError as error:
        skip_unless_required(str(error))
    yield context
    context.close()


@pytest.mark.timeout(60)
def test_port_and_file_of_an_embedded_firestore_are_the_parents_alone(tmp_path: Path) -> None:
    """A child that lives on must not hold what a server had that is gone."""
    server = EmbeddedFirestore(tmp_path / "data.db").start()
    address, _, port = server.host.partition(":")
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writes)
        os.read(reads, 1)  # until the parent lets go
        os._exit(0)
    os.close(reads)
    try:
        server.stop()
        file = tmp_path / "data.db"
        with EmbeddedFirestore(file, address=address, port=int(port)) as again:
            assert again.host == server.host
    finally:
        os.close(writes)
        os.waitpid(pid, 0)


@pytest.mark.timeout(60)
def test_the_local_firestore_starts_by_itself_and_children_share_it(
    local: ApplicationContext,
) -> None:
    local.datastore.commit([Write("set", "a/parent", {"v": 1})])
    assert local.project == "demo-starts-by-itself"

    def work() -> None:
        assert local.datastore.get(["a/parent"])["a/parent"].get("v") == 1
        local.datastore.commit([Write("set", "a/child", {"v": 2})])
        local.close()
        assert local.datastore.get(["a/parent"])["a/parent"].get("v") == 1
        local.close()

    assert in_child(work) == 0
    found = local.datastore.get(["a/parent", "a/child"])
    assert [snapshot.exists for snapshot in found.values()] == [True, True]
    assert "FIRESTORE_EMULATOR_HOST" not in os.environ


@pytest.mark.timeout(60)
def test_a_child_that_is_forked_during_a_start_starts_for_itself(boiler: Boiler) -> None:
    """As gunicorn with --preload forks it, whose parent waits in a thread for Firestore."""
    begun, going_on = threading.Event(), threading.Event()
    parent = os.getpid()

    class Slow:
        def start(self) -> None:
            begun.set()
            if os.getpid() == parent:
                going_on.wait()

        def stop(self) -> None: ...

    def work() -> None:
        assert not boiler.health.running
        with boiler:
            assert boiler.health.running

    boiler.add(Slow())
    starting = threading.Thread(target=boiler.start)
    starting.start()
    begun.wait()
    try:
        assert in_child(work) == 0
    finally:
        going_on.set()
        starting.join()
    assert boiler.health.running
