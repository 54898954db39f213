"""Views that are followed in process, on an engine in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DocumentNotFoundError, MaterializationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_keeping import (
    TIMEOUT_S,
    Keeping,
    Town,
    TownStore,
    TownView,
)


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    keeping = Keeping()
    yield keeping
    keeping.stop()


def follow(
    keeping: Keeping,
    view_cls: type[Any],
    *documents: str,
    f_notify: Callable[[Any], None] | None = None,
    arguments: dict[str, Any] | None = None,
) -> Any:
    """The live view of ``towns/a``; what it reads is held as soon as it asks for it."""
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(
            keeping.live.open,
            view_cls,
            arguments or {"doc_id": "a"},
            f_notify=f_notify,
            timeout_s=TIMEOUT_S,
        )
        for _ in documents:
            keeping.feed.deliver(str(keeping.feed.listened.get(timeout=TIMEOUT_S)))
        return opened.result(TIMEOUT_S)


class Direct(ViewModel):
    """Reads without its store, and another view besides."""

    store: TownStore

    @attrs.computed
    def title(self) -> Any:
        return Town.get_or_raise("b").title

    @attrs.computed
    def other(self) -> Any:
        return TownView.get("c").title


def test_what_getters_read_by_themselves_is_followed(keeping: Keeping) -> None:
    for doc_id in "abc":
        keeping.datastore.put(f"towns/{doc_id}", {"title": doc_id})
    seen: list[dict[str, Any]] = []
    notified = threading.Semaphore(0)

    def notice(view: Any) -> None:
        with keeping.context.activated():
            seen.append(view.to_view_dict())
        notified.release()

    view = follow(keeping, Direct, "towns/a", "towns/b", "towns/c", f_notify=notice)
    assert keeping.feed.wanted.keys() == {"towns/a", "towns/b", "towns/c"}
    for doc_id in "bc":
        keeping.datastore.put(f"towns/{doc_id}", {"title": doc_id.upper()})
        keeping.feed.deliver(f"towns/{doc_id}")
        assert notified.acquire(timeout=TIMEOUT_S)
    assert seen[-1] == {"title": "B", "other": "C"}
    view.close()
    keeping.quiet()
    assert keeping.feed.wanted == {}


def test_a_first_value_that_fails_names_the_getter(keeping: Keeping) -> None:
    class Broken(TownView):
        @attrs.computed
        def wrong(self) -> int:
            return 1 // 0

    keeping.datastore.put("towns/a", {"title": "a"})
    with pytest.raises(MaterializationError, match=r"Broken\.wrong"):
        follow(keeping, Broken, "towns/a")
    keeping.quiet()
    assert keeping.engine.views == 0


def test_no_first_value_in_time_says_so(keeping: Keeping) -> None:
    with pytest.raises(TimeoutError, match="TownView had no first value"):
        keeping.live.open(TownView, {"doc_id": "a"}, f_notify=None, timeout_s=0.01)
    assert keeping.feed.wanted == {}


@pytest.mark.parametrize("raises", [True, False])
def test_a_follower_may_close_its_view_and_fail(keeping: Keeping, raises: bool) -> None:
    called = threading.Event()

    def notice(view: Any) -> None:
        view.close()
        called.set()
        if raises:
            raise ValueError("the follower's own")

    keeping.datastore.put("towns/a", {"title": "a"})
    follow(keeping, TownView, "towns/a", f_notify=notice)
    keeping.datastore.put("towns/a", {"title": "b"})
    keeping.feed.deliver("towns/a")
    assert called.wait(TIMEOUT_S)
    keeping.quiet()
    assert keeping.errors == []
    assert keeping.feed.wanted == {}
    assert keeping.engine.views == 0


def test_a_follower_is_told_where_what_is_stored_differs(keeping: Keeping) -> None:
    notified: queue.SimpleQueue[Any] = queue.SimpleQueue()
    keeping.datastore.put("towns/a", {"title": 1})
    view = follow(
        keeping, TownView, "towns/a", f_notify=lambda view: notified.put(view.store.town.title)
    )
    keeping.datastore.put("towns/a", {"title": True})
    keeping.feed.deliver("towns/a")
    assert notified.get(timeout=TIMEOUT_S) is True
    view.close()


def test_a_path_is_never_filled_with_nothing(keeping: Keeping) -> None:
    class ByTitle(TownView):
        class Meta:
            path = "byTitle/{town.title}"

    with (
        keeping.context.activated(),
        pytest.raises(MaterializationError, match=r"town\.title, which is None"),
    ):
        keeping.datastore.put("towns/a", {"title": None})
        ByTitle.new("a").places()


def test_changes_are_propagated_past_the_documents_of_other_views(keeping: Keeping) -> None:
    class BesideStore(TownStore):
        view = reference(TownView, source=lambda store: f"townView/{store.town.doc_id}")

    class Beside(ViewModel):
        store: BesideStore

    keeping.datastore.put("towns/a", {"title": "a"})
    keeping.datastore.put("townView/a", {"title": "a"})
    with keeping.context.activated():
        beside = Beside.new("a")
        assert beside.store.view is not None
        assert beside.store.town is not None
        beside.store.town.title = "b"
        beside.propagate_change()
    [[write]] = keeping.datastore.commits
    assert write.path == "towns/a"


class BySnapshot(TownView):
    """Made as the specification makes its views."""

    @classmethod
    def new(cls, snapshot: Any) -> Any:
        store = TownStore()
        store.add_snapshot("town", dm_cls=Town, snapshot=snapshot)
        store.refresh()
        return cls(store=store)


@pytest.mark.parametrize(("view_cls", "name"), [(TownView, "town"), (BySnapshot, "snapshot")])
def test_a_root_that_was_given_as_a_snapshot_is_followed(
    keeping: Keeping, view_cls: type[Any], name: str
) -> None:
    notified = threading.Semaphore(0)
    snapshot = keeping.datastore.put("towns/a", {"title": "a"})
    view = follow(
        keeping,
        view_cls,
        "towns/a",
        f_notify=lambda view: notified.release(),
        arguments={name: snapshot},
    )
    assert view.title == "a"
    keeping.datastore.put("towns/a", {"title": "b"})
    keeping.feed.deliver("towns/a")
    assert notified.acquire(timeout=TIMEOUT_S)
    assert view.title == "b"


class Citizen(DomainModel):
    said: Attr[str]

    class Meta:
        collection_name = "citizens"


class CitizenStore(Store):
    town = root(Town)
    year = param(int)
    citizen = each(Citizen, source=lambda store: store.town.title)


class CitizenView(ViewModel):
    """A town, whose title is a list of citizens here, as one of them sees it."""

    store: CitizenStore

    @attrs.computed
    def said(self) -> str:
        return f"{self.store.citizen.said} in {self.store.year}"


class TestViewsOfMembers:
    @pytest.fixture
    def view(self, keeping: Keeping, told: list[str]) -> Any:
        keeping.datastore.put("towns/a", {"title": ["ann"]})
        keeping.datastore.put("citizens/ann", {"said": "hello"})
        arguments = {"town": "a", "year": 1999, "citizen": "ann"}
        return follow(
            keeping,
            CitizenView,
            *("towns/a", "citizens/ann"),
            f_notify=lambda view: told.append(view.said),
            arguments=arguments,
        )

    @pytest.fixture
    def told(self) -> list[str]:
        return []

    def change(self, keeping: Keeping, path: str, **fields: Any) -> None:
        keeping.datastore.put(path, fields)
        keeping.feed.deliver(path)
        keeping.quiet()

    def test_a_member_s_document_is_followed(
        self, keeping: Keeping, view: Any, told: list[str]
    ) -> None:
        assert view.said == "hello in 1999"
        self.change(keeping, "citizens/ann", said="bye")
        assert told == ["bye in 1999"]

    def test_who_leaves_is_told_nothing_until_it_is_back(
        self, keeping: Keeping, view: Any, told: list[str]
    ) -> None:
        self.change(keeping, "towns/a", title=[])
        self.change(keeping, "citizens/ann", said="bye")
        assert told == []
        assert view.said == "hello in 1999"
        [error] = keeping.errors
        assert isinstance(error, DocumentNotFoundError)
        assert error.path == "citizens/ann"
        self.change(keeping, "towns/a", title=["bob", "ann"])
        assert told == ["bye in 1999"]
        assert keeping.errors == []


def test_a_stranger_is_told_as_a_missing_document(keeping: Keeping) -> None:
    keeping.datastore.put("towns/a", {"title": ["ann"]})
    keeping.datastore.put("citizens/eve", {"said": "hello"})
    arguments = {"town": "a", "year": 1999, "citizen": "eve"}
    with pytest.raises(DocumentNotFoundError, match="citizens/eve"):
        follow(keeping, CitizenView, "towns/a", "citizens/eve", arguments=arguments)
    keeping.quiet()
    assert keeping.engine.views == 0
    assert keeping.feed.wanted == {}


def test_a_root_that_was_given_as_a_model_is_followed(keeping: Keeping) -> None:
    notified = threading.Semaphore(0)
    town = Town.from_snapshot(keeping.datastore.put("towns/a", {"title": "a"}))
    view = follow(
        keeping,
        TownView,
        "towns/a",
        f_notify=lambda view: notified.release(),
        arguments={"town": town},
    )
    assert view.title == "a"
    keeping.datastore.put("towns/a", {"title": "b"})
    keeping.feed.deliver("towns/a")
    assert notified.acquire(timeout=TIMEOUT_S)
    assert view.title == "b"


def test_its_own_notify_that_fails_is_named_and_called_again(keeping: Keeping) -> None:
    calls: list[str] = []
    notified = threading.Semaphore(0)

    class Gate(TownView):
        def notify(self) -> None:
            calls.append(self.title)
            notified.release()
            if len(calls) == 1:
                raise ValueError("the gate is stuck")
            super().notify()

    seen: list[str] = []
    keeping.datastore.put("towns/a", {"title": "a"})
    follow(keeping, Gate, "towns/a", f_notify=lambda view: seen.append(view.title))
    keeping.datastore.put("towns/a", {"title": "b"})
    keeping.feed.deliver("towns/a")
    assert notified.acquire(timeout=TIMEOUT_S)
    keeping.quiet()
    [parked] = keeping.engine.parked
    assert isinstance(parked.error, MaterializationError)
    assert "Gate.notify raised ValueError: the gate is stuck" in str(parked.error)
    assert keeping.engine.retry(parked.key)
    keeping.quiet()
    assert (calls, seen, keeping.errors) == (["b", "b"], ["b"], [])
