"""The server's calls without a connection: the statuses, and streams that end."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest

from flask_boiler.errors import ConflictError, UnavailableError
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.ground.values import Precondition, Write
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


def test_what_is_refused_has_the_status_that_grpc_gives() -> None:
    datastore = MemoryDatastore()
    datastore.put("a/1", n=1)
    with pytest.raises(ConflictError) as caught:
        datastore.commit([Write("set", "a/1", {}, precondition=Precondition(exists=False))])
    cause: Any = caught.value.__cause__
    assert isinstance(cause, grpc.RpcError)
    assert cause.code() is grpc.StatusCode.ALREADY_EXISTS


def test_faults_happen_to_its_calls() -> None:
    faults = Faults()
    datastore = MemoryDatastore(faults=faults)
    faults.fail("Commit", grpc.StatusCode.UNAVAILABLE, applied=True)
    with pytest.raises(UnavailableError) as caught:
        datastore.commit([Write("set", "a/1", {"n": 1})])
    assert caught.value.outcome_unknown
    assert datastore.fields("a/1") == {"n": 1}


def test_a_stream_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    datastore = MemoryDatastore()
    hub = Hub(datastore)
    heard = threading.Event()
    hub.subscribe(lambda change: heard.set())
    hub.start()
    hub.listen(["a/1"])
    assert heard.wait(60)
    hub.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert set(threading.enumerate()) <= before
