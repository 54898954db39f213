"""What a mediator does for one document, on an engine in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.population import Population
from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.publishing.tombstones import KEPT_FOR_NS
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import MaterializationError, TargetRejectedError, ValidationError
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.mediation.keeping.keeping import Run
from flask_boiler.view.mediation.live import LiveViews
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.engine.fakes import ScriptedDatastore, ScriptedFeed, all_of

TIMEOUT_S = 60.0
TOWNS = all_of("towns")


class Town(DomainModel):
    title = attrs.bproperty()

    class Meta:
        collection_name = "towns"


class TownStore(Store):
    town = reference(Town)


class TownView(ViewModel):
    store: TownStore

    class Meta:
        path = "townView/{town.doc_id}"

    @attrs.computed
    def title(self) -> Any:
        return self.store.town.title  # type: ignore[union-attr]


class Remembered(TownView):
    """One that leaves word of what it was."""

    class Meta:
        path = "remembered/{town.doc_id}"

        @staticmethod
        def on_delete(fields: dict[str, Any]) -> dict[str, Any]:
            return {"was": fields["title"]}


class Keeping:
    """A mediator at work on ``towns/a``."""

    key = ViewKey("Watching", "towns/a")

    def __init__(self, datastore: ScriptedDatastore | None = None) -> None:
        self.datastore = datastore or ScriptedDatastore()
        config = Config(testing=True, project="p")
        self.context = ApplicationContext(config, datastore=self.datastore)
        self.feed = ScriptedFeed(self.datastore)
        stored: Any = self.datastore
        self.engine = document_engine(self.feed, stored, workers=2)
        self.engine.start()
        self.live = LiveViews(self.context)
        self.live._engine = self.engine

    def stop(self) -> None:
        """Stop the engine, and what tells followers of views."""
        self.live.stop()

    def keep(self, mediator: QueryMediator) -> None:
        population = Population(self.key.mediator, [TOWNS])
        run = Run(self.context, self.engine.publisher, population, self.engine.keep)
        self.engine.populate(
            population, lambda key: mediator._keeping.live_view(key, run), self.engine.publisher
        )

    def show(self, **fields: Any) -> None:
        self.datastore.put("towns/a", fields)
        self.feed.deliver(members={TOWNS: ["towns/a"]})
        self.quiet()

    def leave(self) -> None:
        self.datastore.drop("towns/a")
        self.feed.deliver(left={TOWNS: ["towns/a"]})
        self.quiet()

    def quiet(self) -> None:
        self.engine.await_quiet(timeout_s=TIMEOUT_S)

    @property
    def errors(self) -> list[Exception]:
        return [parked.error for parked in self.engine.parked]


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    keeping = Keeping()
    yield keeping
    keeping.stop()


def watching(calls: list[str]) -> QueryMediator:
    """A mediator in the second form, which publishes what it is told of."""

    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append("create")
                mediator.notify(TownView.new(town=snapshot))

            @staticmethod
            def on_update(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append("update")
                mediator.notify(TownView.new(town=snapshot))

            @staticmethod
            def on_delete(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append("delete")

    return Watching(query=Town.get_query())


def test_what_a_handler_published_in_vain_is_asked_of_it_again(keeping: Keeping) -> None:
    calls: list[str] = []
    refused = ValidationError({"document": ["not today"]})
    keeping.datastore.failures.append(("before", refused))
    keeping.keep(watching(calls))
    keeping.show(title="A")
    assert keeping.errors == [refused]
    assert keeping.engine.retry(keeping.key)
    keeping.quiet()
    assert calls == ["create", "create"]
    assert keeping.datastore.fields("townView/a")["title"] == "A"
    keeping.show(title="B")
    keeping.leave()
    assert calls[2:] == ["update", "delete"]
    assert not keeping.datastore.exists("townView/a")


def test_a_place_that_is_empty_leaves_nothing_behind(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Remembered, query=Town.get_query()))
    keeping.show(title="A")
    # Somebody's hand took it away.
    keeping.datastore.drop("remembered/a")
    keeping.leave()
    assert keeping.errors == []
    assert not keeping.datastore.exists("remembered/a")


def test_what_another_process_left_of_a_view_is_left_alone(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Remembered, query=Town.get_query()))
    keeping.show(title="A")
    keeping.datastore.put("remembered/a", {"was": "A"})
    mediator, root = keeping.key
    tombstone = {"mediator": mediator, "root": root, "place": "remembered/a", "vacated": True}
    keeping.datastore.put(ledger_path("remembered/a"), tombstone)
    keeping.leave()
    assert keeping.errors == []
    assert keeping.datastore.fields("remembered/a") == {"was": "A"}
    assert keeping.engine.views == 0


def test_what_is_kept_is_nobody_s_any_more(keeping: Keeping) -> None:
    class Kept(TownView):
        class Meta:
            path = "kept/{town.doc_id}"
            on_delete = "keep"

    keeping.keep(QueryMediator(Kept, query=Town.get_query()))
    keeping.show(title="A")
    assert keeping.datastore.recorded_owner("kept/a") == keeping.key
    keeping.leave()
    assert keeping.datastore.fields("kept/a")["title"] == "A"
    assert keeping.datastore.recorded_owner("kept/a") is None


class Signpost(TownView):
    """Fails for a town without people; is kept where the town says."""

    class Meta:
        path = "signposts/{town.extra[at]}"

    @attrs.computed
    def share(self) -> Any:
        return 1 / self.store.town.extra["people"]  # type: ignore[union-attr]


def test_a_view_whose_getter_fails_leaves_the_place_that_it_does_not_want(
    keeping: Keeping,
) -> None:
    keeping.keep(QueryMediator(Signpost, query=Town.get_query()))
    keeping.show(title="A", at="north", people=1)
    assert keeping.datastore.exists("signposts/north")
    keeping.show(title="B", at="north", people=0)
    # Where it is to stay, the last good document stays.
    assert keeping.datastore.fields("signposts/north")["title"] == "A"
    keeping.show(title="B", at="south", people=0)
    [error] = keeping.errors
    assert isinstance(error, MaterializationError)
    assert error.attribute == "share"
    assert error.key == keeping.key
    assert not keeping.datastore.exists("signposts/north")
    assert not keeping.datastore.exists("signposts/south")
    keeping.show(title="B", at="south", people=2)
    assert keeping.errors == []
    assert keeping.datastore.fields("signposts/south")["share"] == 0.5


def test_a_view_that_cannot_tell_its_place_leaves_none(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Signpost, query=Town.get_query()))
    keeping.show(title="A", at="north", people=1)
    keeping.show(title="B", at=None, people=0)
    [error] = keeping.errors
    assert isinstance(error, MaterializationError)
    assert error.attribute == "share"
    assert keeping.datastore.fields("signposts/north")["title"] == "A"


SOMEBODYS = {"title": "somebody's"}


def test_a_document_that_is_not_known_to_be_the_views_is_not_overwritten(keeping: Keeping) -> None:
    keeping.datastore.put("townView/a", SOMEBODYS)
    keeping.keep(QueryMediator(TownView, query=Town.get_query()))
    keeping.show(title="A")
    [error] = keeping.errors
    assert isinstance(error, MaterializationError)
    assert "townView/a" in str(error)
    assert "Meta.adopt = True" in str(error)
    assert keeping.datastore.fields("townView/a") == SOMEBODYS
    assert keeping.datastore.recorded_owner("townView/a") is None
    # Nor when its root goes.
    keeping.leave()
    assert keeping.datastore.fields("townView/a") == SOMEBODYS
    assert keeping.errors == []


def test_it_heals_when_the_document_is_removed(keeping: Keeping) -> None:
    keeping.datastore.put("townView/a", SOMEBODYS)
    keeping.keep(QueryMediator(TownView, query=Town.get_query()))
    keeping.show(title="A")
    keeping.datastore.drop("townView/a")
    assert keeping.engine.retry(keeping.key)
    keeping.quiet()
    assert keeping.errors == []
    assert keeping.datastore.fields("townView/a")["title"] == "A"


def test_one_that_adopts_takes_over_what_is_there(keeping: Keeping) -> None:
    class Adopting(TownView):
        class Meta:
            path = "adopted/{town.doc_id}"
            adopt = True

    keeping.datastore.put("adopted/a", SOMEBODYS)
    keeping.keep(QueryMediator(Adopting, query=Town.get_query()))
    keeping.show(title="A")
    assert keeping.errors == []
    assert keeping.datastore.fields("adopted/a")["title"] == "A"
    assert keeping.datastore.recorded_owner("adopted/a") == keeping.key


def test_but_not_what_another_view_has(keeping: Keeping) -> None:
    class Adopting(TownView):
        class Meta:
            path = "adopted/{town.doc_id}"
            adopt = True

    other = ViewKey("Other", "towns/b")
    keeping.datastore.put("adopted/a", SOMEBODYS)
    keeping.datastore.put(
        ledger_path("adopted/a"),
        {"mediator": other.mediator, "root": other.subject, "place": "adopted/a"},
    )
    keeping.keep(QueryMediator(Adopting, query=Town.get_query()))
    keeping.show(title="A")
    [error] = keeping.errors
    assert str(other) in str(error)
    assert keeping.datastore.fields("adopted/a") == SOMEBODYS


def test_a_view_whose_record_was_lost_is_known_by_its_obj_type(keeping: Keeping) -> None:
    keeping.datastore.put("townView/a", {"obj_type": "TownView", "title": "before"})
    keeping.keep(QueryMediator(TownView, query=Town.get_query()))
    keeping.show(title="A")
    assert keeping.errors == []
    assert keeping.datastore.fields("townView/a")["title"] == "A"
    assert keeping.datastore.recorded_owner("townView/a") == keeping.key


def test_without_obj_type_only_the_record_tells(keeping: Keeping) -> None:
    class Plain(TownView):
        class Meta:
            path = "plain/{town.doc_id}"
            exclude = ("obj_type", "doc_ref")

    keeping.keep(QueryMediator(Plain, query=Town.get_query()))
    keeping.show(title="A")
    keeping.datastore.put("plain/a", SOMEBODYS)
    # The place is the view's by the ledger: what others write there is overwritten.
    keeping.show(title="B")
    assert keeping.errors == []
    assert keeping.datastore.fields("plain/a") == {"title": "B"}


def test_what_a_root_left_behind_is_its_own_when_it_comes_back(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Remembered, query=Town.get_query()))
    keeping.show(title="A")
    keeping.leave()
    assert keeping.datastore.fields("remembered/a") == {"was": "A"}
    # However long it was away.
    keeping.datastore.advance(2 * KEPT_FOR_NS)
    keeping.show(title="B")
    assert keeping.errors == []
    assert keeping.datastore.fields("remembered/a")["title"] == "B"


def test_handlers_overwrite_nobodys_documents_either(keeping: Keeping) -> None:
    keeping.datastore.put("townView/a", SOMEBODYS)
    keeping.keep(watching([]))
    keeping.show(title="A")
    [error] = keeping.errors
    assert "Meta.adopt = True" in str(error)
    assert keeping.datastore.fields("townView/a") == SOMEBODYS


def test_a_place_among_domain_documents_parks_its_view_which_leaves_the_old_one(
    keeping: Keeping,
) -> None:
    class Anywhere(TownView):
        @property
        def doc_ref(self) -> str:
            return str(self.store.town.extra["at"])  # type: ignore[union-attr]

    keeping.keep(QueryMediator(Anywhere, query=Town.get_query()))
    for bad in ("towns/b", "_boiler_places/x"):
        keeping.show(title="A", at="anywhere/1")
        assert keeping.datastore.exists("anywhere/1")
        keeping.show(title="A", at=bad)
        [error] = keeping.errors
        assert isinstance(error, MaterializationError)
        assert bad in str(error)
        assert not keeping.datastore.exists(bad)
        assert not keeping.datastore.exists("anywhere/1")


class TwinnedStore(Store):
    town = reference(Town)
    twin = reference(Town, source=lambda store: store.town.extra.get("twin"))


class Twinned(ViewModel):
    store: TwinnedStore

    class Meta:
        path = "twinned/{town.extra[at]}"

    @attrs.computed
    def twin(self) -> Any:
        twin = self.store.twin
        return twin.title if twin else None


def test_a_view_that_is_refused_what_it_reads_leaves_its_old_place(keeping: Keeping) -> None:
    keeping.keep(QueryMediator(Twinned, query=Town.get_query()))
    keeping.show(at="north")
    assert keeping.datastore.exists("twinned/north")
    keeping.datastore.put("towns/a", {"at": "south", "twin": "towns/b"})
    keeping.feed.deliver(members={TOWNS: ["towns/a"]})
    while keeping.feed.listened.get(timeout=TIMEOUT_S) != "towns/b":
        pass
    keeping.feed.deliver(rejected={"towns/b": "PERMISSION_DENIED"})
    keeping.quiet()
    [error] = keeping.errors
    assert isinstance(error, TargetRejectedError)
    assert not keeping.datastore.exists("twinned/north")
    assert keeping.datastore.recorded_owner("twinned/north") is None
    keeping.datastore.put("towns/b", {"title": "B"})
    keeping.feed.deliver("towns/b")
    keeping.quiet()
    assert keeping.errors == []
    assert keeping.datastore.fields("twinned/south")["twin"] == "B"
