"""An overridden ``notify``, as a mediator that keeps views in documents calls it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.context.context import current_context
from flask_boiler.errors import DeclarationError, MaterializationError, ValidationError
from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import Snapshot
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.view_model import ViewModel, overrides_notify
from tests.unit.view.mediation.keeping.test_keeping import (
    TIMEOUT_S,
    TOWNS,
    Keeping,
    Town,
    TownStore,
    TownView,
)

#: What the views were notified of, in order.
seen: list[str] = []


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    seen.clear()
    keeping = Keeping()
    yield keeping
    keeping.stop()


class Told(TownView):
    """Is notified, and publishes unless the title says that it is a draft."""

    class Meta:
        path = "told/{town.doc_id}"

    def notify(self) -> None:
        seen.append(self.title)
        if not self.title.startswith("draft"):
            super().notify()


def stored_title(keeping: Keeping) -> Any:
    return keeping.datastore.fields("told/a")["title"]


def test_each_new_value_is_told_once_and_published(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Told, query=Town.get_query()))
    keeping.show(title="A")
    keeping.show(title="A", other=1)
    assert keeping.engine.retry(keeping.key) is False
    keeping.show(title="B")
    assert seen == ["A", "B"]
    assert stored_title(keeping) == "B"


def test_a_handler_that_publishes_a_view_has_decided_already(keeping: Keeping) -> None:
    class Telling(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                mediator.notify(Told.new(town=snapshot))

    keeping.keep(Telling(query=Town.get_query()))
    keeping.show(title="draft of A")
    assert stored_title(keeping) == "draft of A"
    assert seen == []


def test_a_value_that_is_not_published_leaves_what_was(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Told, query=Town.get_query()))
    keeping.show(title="draft of A")
    assert not keeping.datastore.exists("told/a")
    keeping.show(title="A")
    keeping.show(title="draft of B")
    keeping.show(title="draft of B", other=1)
    assert stored_title(keeping) == "A"
    # Once what is stored is computed again, nothing is withheld any more.
    keeping.show(title="A")
    keeping.show(title="draft of B")
    assert seen == ["draft of A", "A", "draft of B", "draft of B"]
    assert stored_title(keeping) == "A"
    assert keeping.errors == []
    keeping.leave()
    assert not keeping.datastore.exists("told/a")
    assert len(seen) == 4, "a view that goes has no new value"


def test_who_restarts_tells_nothing_of_what_is_stored(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Told, query=Town.get_query()))
    keeping.show(title="A")
    again = Keeping(keeping.datastore)
    try:
        again.keep(QueryMediator(Told, query=Town.get_query()))
        again.show(title="A")
        assert seen == ["A"]
        again.show(title="B")
        assert seen == ["A", "B"]
    finally:
        again.stop()


def test_it_is_told_again_of_what_could_not_be_stored(keeping: Keeping) -> None:
    refused = ValidationError({"document": ["not today"]})
    keeping.datastore.failures.append(("before", refused))
    keeping.keep(QueryMediator(Told, query=Town.get_query()))
    keeping.show(title="A")
    assert keeping.errors == [refused]
    assert keeping.engine.retry(keeping.key)
    keeping.quiet()
    assert seen == ["A", "A"]
    assert stored_title(keeping) == "A"


@pytest.mark.parametrize("error", [ValueError("no bell"), SystemExit("no bell")])
def test_what_it_raises_parks_the_view_and_is_named(keeping: Keeping, error: BaseException) -> None:
    class Bell(TownView):
        class Meta:
            path = "told/{town.doc_id}"

        def notify(self) -> None:
            super().notify()
            if self.title == "B":
                raise error

    keeping.keep(QueryMediator(Bell, query=Town.get_query()))
    keeping.show(title="A")
    keeping.show(title="B")
    [parked] = keeping.errors
    assert isinstance(parked, MaterializationError)
    assert parked.key == keeping.key
    assert parked.attribute == "notify"
    assert str(parked).startswith("Bell.notify raised ")
    assert parked.__cause__ is error
    assert stored_title(keeping) == "A"
    keeping.show(title="C")
    assert keeping.errors == []
    assert stored_title(keeping) == "C"


def test_it_may_read_and_save_and_depends_on_nothing_of_that(keeping: Keeping) -> None:
    class Gong(TownView):
        class Meta:
            path = "told/{town.doc_id}"

        def notify(self) -> None:
            assert isinstance(threading.current_thread(), OwnThread)
            assert current_context() is keeping.context
            assert current_reader() is None
            with ThreadPoolExecutor(1) as another:
                # What asks the engine something takes its lock.
                assert another.submit(lambda: keeping.engine.parked).result(TIMEOUT_S) == []
            other = Town.get_or_raise("other")
            seen.append(other.title)
            Town.new(doc_id="saved", title=self.title).save()
            super().notify()

    keeping.datastore.put("towns/other", {"title": "other"})
    keeping.keep(QueryMediator(Gong, query=Town.get_query()))
    keeping.show(title="A")
    assert keeping.errors == []
    assert keeping.feed.wanted.keys() == {TOWNS}
    assert seen == ["other"]
    assert keeping.datastore.fields("towns/saved")["title"] == "A"


def test_a_view_that_is_kept_nowhere_else_is_saved(keeping: Keeping) -> None:
    keeping.datastore.put("towns/a", {"title": "draft"})
    with keeping.context.activated():
        view = Told.new("a")
        view.notify()
        assert not keeping.datastore.exists("told/a")
        keeping.datastore.put("towns/a", {"title": "A"})
        Told.new("a").notify()
    assert stored_title(keeping) == "A"


def test_only_who_overrides_it_is_asked() -> None:
    class Heir(Told):
        pass

    assert [overrides_notify(cls) for cls in (Told, Heir)] == [True, True]
    assert [overrides_notify(cls) for cls in (TownView, ViewModel)] == [False, False]


def test_a_coroutine_function_is_refused_when_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match=r"notify is a coroutine function"):

        class Never(ViewModel):
            store: TownStore

            @attrs.computed
            def title(self) -> Any:
                return self.store.town.title  # type: ignore[union-attr]

            async def notify(self) -> None:  # type: ignore[override]
                ...
