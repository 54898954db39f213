"""Who shares which view, when the engine refuses it or the mediator stops; no engine is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flask_boiler.engine.live_view import AnyView
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import BoilerError
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.socketio import sharing
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.view.socketio.sharing import Share, Shares

TIMEOUT_S = 60.0


class Kept:
    """An engine that keeps views and computes none."""

    def __init__(self) -> None:
        self.views: set[ViewKey] = set()
        self.meanwhile: Callable[[], object] = lambda: None

    def add(self, view: AnyView) -> None:
        self.meanwhile()
        self.views.add(view.key)

    def discard(self, key: ViewKey) -> None:
        self.views.discard(key)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Kept:
    engine = Kept()
    monkeypatch.setattr(sharing, "live_views", lambda _: SimpleNamespace(engine=engine))
    return engine


@pytest.fixture
def shares() -> Iterator[Shares]:
    post: Any = None
    shares = Shares("KiteView (on /kites)", WsLimits(linger_s=0.0), post)
    yield shares
    shares.stop()


CONTEXT: Any = SimpleNamespace()


def acquire(shares: Shares) -> Share:
    build: Any = None
    return shares.acquire(CONTEXT, "{}", None, build)


def refuse() -> None:
    raise BoilerError("it is full")


def test_a_view_that_the_engine_refuses_is_not_shared(engine: Kept, shares: Shares) -> None:
    engine.meanwhile = refuse
    with pytest.raises(BoilerError, match="it is full"):
        acquire(shares)
    assert len(shares) == 0
    engine.meanwhile = lambda: None
    share = acquire(shares)
    assert (share.users, engine.views) == (1, {share.key})


def test_who_joined_a_view_before_the_engine_refused_it_is_told(
    engine: Kept, shares: Shares
) -> None:
    joined: list[Share] = []

    def join_and_refuse() -> None:
        joined.append(acquire(shares))
        refuse()

    engine.meanwhile = join_and_refuse
    with pytest.raises(BoilerError, match="it is full"):
        acquire(shares)
    [share] = joined
    with pytest.raises(BoilerError, match="it is full"):
        share.view.await_first(TIMEOUT_S)
    assert share.users == 1
    shares.release(share)
    assert (len(shares), engine.views) == (0, set())


def test_nothing_is_shared_after_the_end(engine: Kept, shares: Shares) -> None:
    shares.stop()
    with pytest.raises(Refusal) as refused:
        acquire(shares)
    assert refused.value.status == 503
    assert (len(shares), engine.views) == (0, set())


def test_an_end_while_the_engine_takes_a_view_leaves_none_in_it(
    engine: Kept, shares: Shares
) -> None:
    def stop_elsewhere() -> None:
        stopping = threading.Thread(target=shares.stop)
        stopping.start()
        stopping.join()

    engine.meanwhile = stop_elsewhere
    with pytest.raises(Refusal) as refused:
        acquire(shares)
    assert refused.value.status == 503
    assert (len(shares), engine.views) == (0, set())
