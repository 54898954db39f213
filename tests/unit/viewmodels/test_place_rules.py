"""Where views may be kept: what is refused when it is declared."""

from __future__ import annotations

from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.errors import DeclarationError, MaterializationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore, memory_context
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Player(DomainModel):
    title = attrs.bproperty()

    class Meta:
        collection_name = "players"


class Keeper(Player):
    """Of the same collection."""


class Medal(DomainModel):
    class Meta:
        collection_name = "medals"
        parent = Player


class Ribbon(DomainModel):
    class Meta:
        collection_name = "ribbons"
        parent = "Medal"


class Trophy(DomainModel):
    class Meta:
        collection_name = "clubs/main/trophies"


class Squad(DomainModel):
    title = attrs.bproperty()

    class Meta:
        collection_name = "squads"


class SquadStore(Store):
    squad = reference(Squad)


def declared(template: str, **meta: Any) -> type[ViewModel]:
    class SquadView(ViewModel):
        store: SquadStore

        @attrs.computed
        def title(self) -> Any:
            return self.store.squad.title  # type: ignore[union-attr]

        Meta = type("Meta", (), {"path": template, **meta})

    return SquadView


@pytest.mark.parametrize(
    ("template", "model"),
    [
        ("players/{squad.doc_id}", "Player"),
        ("players/captain", "Player"),
        ("players/of-{squad.doc_id}", "Player"),
        ("players/{squad.doc_id}/medals/{squad.title}", "Medal"),
        ("players/ada/medals/gold", "Medal"),
        ("players/{squad.doc_id}/medals/m/ribbons/{squad.doc_id!s:>9}", "Ribbon"),
        ("clubs/main/trophies/{squad.doc_id}", "Trophy"),
        # Its own root's, too.
        ("squads/{squad.doc_id}", "Squad"),
    ],
)
@pytest.mark.parametrize("adopt", [False, True])
def test_a_path_in_a_models_collection_is_refused(template: str, model: str, adopt: bool) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(template, adopt=adopt)
    assert "SquadView.Meta.path" in str(refused.value)
    assert f"where the documents of {model} are" in str(refused.value)


@pytest.mark.parametrize(
    "template",
    [
        "playerViews/{squad.doc_id}",
        # The same last segment below another parent is another collection.
        "clubs/{squad.doc_id}/players/{squad.title}",
        "medals/{squad.doc_id}",
        "squads/{squad.doc_id}/medals/{squad.title}",
        "clubs/other/trophies/{squad.doc_id}",
        "trophies/{squad.doc_id}",
        # Below a domain document, in a collection that is nobody's.
        "players/{squad.doc_id}/views/{squad.title}",
        # What these are is known when they run.
        "clubs/{squad.doc_id}/trophies/{squad.title}",
        "{squad.title}/{squad.doc_id}",
    ],
)
def test_whole_collection_paths_are_compared(template: str) -> None:
    assert declared(template).meta("path") == template


@pytest.mark.parametrize(
    "template",
    [
        "_boiler_places/{squad.doc_id}",
        "_boiler_tasks/x",
        "_boiler{squad.title}/x",
        "a/b/_boiler_c/d",
    ],
)
def test_the_frameworks_collections_are_nobodys_place(template: str) -> None:
    with pytest.raises(DeclarationError, match="reserved for the framework"):
        declared(template)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("doc_ref", "players/captain"),
        ("doc_refs", ["elsewhere/x", "players/captain"]),
        ("doc_refs", {"a": "_boiler_places/x"}),
    ],
)
def test_literal_places_are_compared_too(name: str, places: Any) -> None:
    with pytest.raises(DeclarationError, match=rf"Literal\.{name} is "):
        type("Literal", (ViewModel,), {name: places})


def test_adopt_is_true_or_false() -> None:
    with pytest.raises(DeclarationError, match=r"Meta\.adopt is 'yes': expected True or False"):
        declared("elsewhere/{squad.doc_id}", adopt="yes")


def test_refusals_of_forms_go_to_no_domain_document() -> None:
    with pytest.raises(DeclarationError, match="refusal_path"):

        class Joining(Form):
            class Meta:
                form_path = "squads/{squad}/joining/{form_id}"
                refusal_path = "players/{form_id}"


def test_nor_to_those_of_a_model_that_is_declared_later() -> None:
    class Leaving(Form):
        store: SquadStore

        class Meta:
            form_path = "squads/{squad}/leaving/{form_id}"
            refusal_path = "refugees/{form_id}"

    made = QueryTaskMediator(Leaving)

    class Refugee(DomainModel):
        class Meta:
            collection_name = "refugees"

    with pytest.raises(
        DeclarationError, match=r"refusal_path .* where the documents of Refugee are"
    ):
        QueryTaskMediator(Leaving)
    with (
        memory_context(),
        pytest.raises(DeclarationError, match="where the documents of Refugee are"),
    ):
        made.start()


def test_a_view_of_tasks_is_seen_as_well() -> None:
    view_cls = declared("stragglers/{squad.doc_id}")
    made = QueryTaskMediator(view_cls, query=Squad.where())

    class Straggler(DomainModel):
        class Meta:
            collection_name = "stragglers"

    with (
        memory_context(),
        pytest.raises(DeclarationError, match="where the documents of Straggler are"),
    ):
        made.start()


@pytest.mark.parametrize("name", ["_boiler_places", "_boilerplate", "a/b/_boiler_c", "_boiler/a/b"])
def test_a_model_has_no_collection_of_the_frameworks(name: str) -> None:
    with pytest.raises(DeclarationError, match="reserved for the framework"):

        class Intruder(DomainModel):
            class Meta:
                collection_name = name


@pytest.mark.parametrize("started", [False, True])
def test_a_model_that_is_declared_after_the_view_is_seen(started: bool) -> None:
    view_cls = declared("latecomers/{squad.doc_id}")
    mediators: list[Any] = []

    def make() -> None:
        mediators.append(QueryMediator(view_cls, query=Squad.get_query()))
        mediators.append(DocumentMediator(view_cls, document="squads/a"))

    if started:
        make()

    class Latecomer(DomainModel):
        class Meta:
            collection_name = "latecomers"

    with pytest.raises(DeclarationError, match="where the documents of Latecomer are"):
        make()
    with memory_context():
        for mediator in mediators:
            with pytest.raises(DeclarationError, match="where the documents of Latecomer are"):
                mediator.start()


class Pinned(ViewModel):
    store: SquadStore

    @attrs.computed
    def title(self) -> Any:
        return self.store.squad.title  # type: ignore[union-attr]

    @property
    def doc_refs(self) -> list[str]:
        return ["pins/fixed", self.store.squad.extra["at"]]  # type: ignore[union-attr]


class Adopting(Pinned):
    class Meta:
        adopt = True


@pytest.fixture
def datastore() -> Any:
    with memory_context() as datastore:
        yield datastore


def pinned(at: str, cls: type[ViewModel] = Pinned) -> ViewModel:
    Squad.new("s", title="S", at=at).save()
    return cls.new("s")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("players/captain", "where the documents of Player are"),
        ("players/a/medals/gold", "where the documents of Medal are"),
        ("_boiler_places/x", "reserved for the framework"),
    ],
)
@pytest.mark.parametrize("cls", [Pinned, Adopting])
def test_what_is_told_in_code_is_compared_when_it_is_known(
    datastore: MemoryDatastore, place: str, said: str, cls: type[ViewModel]
) -> None:
    datastore.put(place, name="somebody")
    view = pinned(place, cls)
    with pytest.raises(MaterializationError, match=said):
        view.save()
    assert datastore.fields(place) == {"name": "somebody"}
    assert "pins/fixed" not in datastore.documents


def test_a_view_that_is_saved_replaces_its_own_documents_alone(datastore: MemoryDatastore) -> None:
    pinned("pins/a").save()
    assert datastore.fields("pins/a")["title"] == "S"
    datastore.put("pins/a", obj_type="Pinned", title="old")
    pinned("pins/a").save()
    assert datastore.fields("pins/a")["title"] == "S"
    datastore.put("pins/b", title="somebody's")
    with pytest.raises(MaterializationError, match="adopt = True"):
        pinned("pins/b").save()
    assert datastore.fields("pins/b") == {"title": "somebody's"}
    datastore.put("pins/b", obj_type="Other")
    with pytest.raises(MaterializationError, match="adopt = True"):
        pinned("pins/b").save()


def test_what_it_saved_under_an_earlier_name_is_its_own(datastore: MemoryDatastore) -> None:
    class Renamed(Pinned):
        class Meta:
            was = "Former"

    datastore.put("pins/a", obj_type="Former", title="old")
    pinned("pins/a", Renamed).save()
    assert datastore.fields("pins/a")["obj_type"] == "Renamed"


def test_one_that_carries_no_name_is_told_so(datastore: MemoryDatastore) -> None:
    class Nameless(Pinned):
        class Meta:
            exclude = "obj_type"

    datastore.put("pins/a", title="whose?")
    with pytest.raises(MaterializationError, match=r"Meta\.exclude .*Meta\.adopt = True"):
        pinned("pins/a", Nameless).save()


def test_one_that_adopts_takes_over(datastore: MemoryDatastore) -> None:
    datastore.put("pins/b", title="somebody's")
    datastore.put("pins/fixed", title="somebody's")
    pinned("pins/b", Adopting).save()
    assert datastore.fields("pins/b")["title"] == datastore.fields("pins/fixed")["title"] == "S"


def test_what_comes_while_a_view_is_saved_is_not_overwritten(
    datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = pinned("pins/b")
    commit = datastore.commit

    def lose(writes: Any, **options: Any) -> Any:
        if "pins/b" not in datastore.documents:
            datastore.put("pins/b", title="somebody's")
        return commit(writes, **options)

    monkeypatch.setattr(datastore, "commit", lose)
    with pytest.raises(MaterializationError, match="adopt = True"):
        view.save()
    assert datastore.fields("pins/b") == {"title": "somebody's"}
