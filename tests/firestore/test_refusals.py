"""A spell in which Firestore refuses commits: waited out by all, or parked where it is alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from flask_boiler import CTX, Boiler, Config, QueryMediator
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import AuthError, BoilerError
from tests.firestore.ledgers import account, open_accounts, order, transfers
from tests.firestore.salons import Salon, SalonView, salon_patches
from tests.firestore.test_document_mediator import mark, propose, salon, stored

PATIENCE_S = 60.0
CODES = [
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
]


@pytest.fixture
def boiler(embedded_firestore: EmbeddedFirestore) -> Iterator[Boiler]:
    config = Config(project="refused", emulator_host=embedded_firestore.host)
    with Boiler(config=config) as made, made.context.activated():
        CTX.db  # noqa: B018 - the client is there before anything is refused
        yield made
        embedded_firestore.faults.refuse_commits(None)


@contextmanager
def refusing(server: EmbeddedFirestore, code: grpc.StatusCode, **only: Any) -> Iterator[None]:
    """What is written in the block is heard when commits are refused already."""
    with server.faults.holding():
        yield
        server.faults.refuse_commits(code, **only)


def start(boiler: Boiler, *mediators: Any) -> None:
    for mediator in mediators:
        boiler.add(mediator)
    boiler.settle(timeout_s=PATIENCE_S)


def salon_views() -> QueryMediator:
    return QueryMediator(query=Salon.get_query(), view_model_cls=SalonView)


@pytest.mark.parametrize("code", CODES)
def test_views_tasks_and_patches_wait_until_commits_are_taken(
    boiler: Boiler, embedded_firestore: EmbeddedFirestore, code: grpc.StatusCode
) -> None:
    faults = embedded_firestore.faults
    open_accounts(ada=100, ben=0)
    salon()
    start(boiler, salon_views(), transfers(), salon_patches())
    with refusing(embedded_firestore, code):
        salon(title="Green")
        order("t1", "ada", "ben", 30)
        path = propose(isOpen=True)
    assert faults.await_refusals(12, timeout_s=PATIENCE_S)
    assert boiler.parked == []
    told = boiler.health
    assert any("refused all commits" in reason for reason in told.hindrances)
    assert told.lag_s > 0
    with pytest.raises((BoilerError, TimeoutError), match=code.name):
        boiler.settle(timeout_s=0.5)

    faults.refuse_commits(None)
    boiler.settle(timeout_s=PATIENCE_S)
    assert boiler.parked == []
    view = stored("salonView/s1")
    assert view is not None
    assert (view["title"], view["isOpen"]) == ("Green", True)
    assert mark(path) == "applied"
    assert (account("ada").balance, account("ben").history) == (70, ["t1"])
    assert boiler.health.refusal is None


def test_who_is_refused_alone_is_parked_alone(
    boiler: Boiler, embedded_firestore: EmbeddedFirestore
) -> None:
    salon("s1", title="Blue")
    salon("s2", title="Blue")
    open_accounts(ada=100, ben=0)
    start(boiler, salon_views(), transfers())
    with refusing(embedded_firestore, grpc.StatusCode.PERMISSION_DENIED, below="salonView/s1"):
        salon("s1", title="Green")
        salon("s2", title="Green")
        order("t1", "ada", "ben", 30)
    boiler.settle(timeout_s=PATIENCE_S)
    [parked] = boiler.parked
    assert parked.key.subject == "salons/s1"
    assert isinstance(parked.error, AuthError)
    view = stored("salonView/s2")
    assert view is not None
    assert view["title"] == "Green"
    assert account("ben").balance == 30
    assert boiler.health.refusal is None


def test_a_task_that_is_refused_alone_is_parked_alone(
    boiler: Boiler, embedded_firestore: EmbeddedFirestore
) -> None:
    open_accounts(ada=100, ben=0, cid=0)
    start(boiler, transfers())
    with refusing(embedded_firestore, grpc.StatusCode.PERMISSION_DENIED, below="taskAccounts/cid"):
        order("t1", "ada", "cid", 30)
        order("t2", "ada", "ben", 30)
    boiler.settle(timeout_s=PATIENCE_S)
    [parked] = boiler.parked
    assert parked.key.subject == "transfers/t1"
    assert account("ben").balance == 30
