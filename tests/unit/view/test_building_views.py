"""A ``new`` that a mediator cannot call is refused when the mediator is made, whichever it is."""

# mypy: disable-error-code="no-redef, union-attr, misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_boiler import (
    Attr,
    Boiler,
    Config,
    DocumentMediator,
    DomainModel,
    Form,
    Mutation,
    QueryMediator,
    QueryTaskMediator,
    RestMediator,
    Store,
    ViewModel,
    WsMediator,
    attrs,
    each,
    param,
    reference,
    root,
)
from flask_boiler.errors import ConfigurationError


class Room(DomainModel):
    title: Attr[str] = attrs.bproperty()


class RoomStore(Store):
    room = reference(Room)


def room_id(cls: Any, room_id: str) -> Any: ...
def nothing(cls: Any) -> Any: ...
def by_any_name(cls: Any, /, **roots: Any) -> Any: ...
def in_a_row(cls: Any, *snapshot: Any) -> Any: ...
def two_needed(cls: Any, snapshot: Any, user: str) -> Any: ...
def by_position(cls: Any, snapshot: Any, /) -> Any: ...


NEITHER = "RoomView.new takes neither snapshot, doc_id nor doc_ref, so a mediator cannot say"
#: What is wrong with a ``new`` of the class's own, by what it is.
ODD: dict[str, tuple[Any, str]] = {
    "another name": (classmethod(room_id), NEITHER),
    "nothing": (classmethod(nothing), NEITHER),
    "any names": (classmethod(by_any_name), NEITHER),
    "in a row": (classmethod(in_a_row), NEITHER),
    "more than the document": (classmethod(two_needed), "RoomView.new needs user besides snapshot"),
    "by position": (classmethod(by_position), "RoomView.new takes snapshot by position only"),
    "not a class method": (room_id, "RoomView.new is not a class method"),
}


def view_of(new: Any, parent: type[ViewModel] = ViewModel) -> type[ViewModel]:
    class Meta:
        path = "roomView/{room.doc_id}"
        form_path = "rooms_POST/{room_id}"
        refusal_path = "refusals/{room_id}"

    if parent is ViewModel:
        del Meta.form_path, Meta.refusal_path
    members = {"__annotations__": {"store": RoomStore}, "new": new, "Meta": Meta}
    return type("RoomView", (parent,), {**members, "__module__": __name__})


def mutation_of(view_cls: type[ViewModel]) -> type[Mutation[Any]]:
    return type("RoomMutation", (Mutation,), {"view_model_cls": view_cls})


def rest(kind: str) -> Callable[[Any], object]:
    def make(new: Any) -> object:
        view_cls = view_of(new)
        mediator = RestMediator(view_cls, mutation_of(view_cls), app=Flask("rooms"))
        return getattr(mediator, f"add_{kind}")("/rooms/<string:doc_id>")

    return make


def websocket(new: Any) -> object:
    view_cls = view_of(new)
    return WsMediator(view_cls, mutation_of(view_cls), namespace="/rooms")


def patches(new: Any) -> object:
    return DocumentMediator(mutation_cls=mutation_of(view_of(new)), patches="RoomView_PATCH")


def exposed(**how: Any) -> Callable[[Any], object]:
    def make(new: Any) -> object:
        app = Flask("rooms")
        boiler = Boiler(app, config=Config(project="p", testing=True))
        return boiler.expose(view_of(new), **how)

    return make


MEDIATORS: dict[str, Callable[[Any], object]] = {
    "query": lambda new: QueryMediator(view_of(new), query=Room.get_query()),
    "document": lambda new: DocumentMediator(view_of(new), document="Room/a"),
    "patches": patches,
    "tasks": lambda new: QueryTaskMediator(view_of(new), query=Room.get_query()),
    "forms": lambda new: QueryTaskMediator(view_of(new, Form)),
    "list_get": rest("list_get"),
    "list_post": rest("list_post"),
    "instance_get": rest("instance_get"),
    "instance_put": rest("instance_put"),
    "instance_patch": rest("instance_patch"),
    "instance_delete": rest("instance_delete"),
    "websocket": websocket,
    "exposed by a query": exposed(query=Room.get_query()),
    "exposed by a rule": exposed(rule="/rooms"),
}


@pytest.mark.parametrize(("new", "said"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("make", MEDIATORS.values(), ids=MEDIATORS)
def test_it_is_refused_in_the_same_words(
    make: Callable[[Any], object], new: Any, said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(new)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("new", "arguments"),
    [(room_id, ["room_id"]), (nothing, []), (by_any_name, []), (two_needed, ["doc_id", "user"])],
)
def test_clients_of_a_websocket_name_what_else_it_takes(new: Any, arguments: list[str]) -> None:
    mediator = WsMediator(view_of(classmethod(new)), namespace="/rooms")
    assert list(mediator.arguments.fields) == arguments


@pytest.mark.parametrize("new", [by_position, room_id])
def test_what_nobody_can_call_by_names_serves_no_client_either(new: Any) -> None:
    odd: Any = new if new is room_id else classmethod(new)
    with pytest.raises(
        ConfigurationError, match=r"RoomView\.new (takes snapshot by|is not a class)"
    ):
        WsMediator(view_of(odd), namespace="/rooms")


def test_a_form_over_a_stored_document_says_how_it_begins() -> None:
    def new(cls: Any, snapshot: Any) -> Any: ...

    with pytest.raises(ConfigurationError, match=r"define begin\(doc_id\), too"):
        QueryTaskMediator(view_of(classmethod(new), Form))


def test_a_route_that_answers_in_its_own_way_builds_views_in_its_own_way() -> None:
    from flask_boiler import InstanceGet

    class Told(InstanceGet):
        def answer(self, *, doc_id: str, **arguments: Any) -> Any: ...

    mediator = RestMediator(view_of(classmethod(room_id)), app=Flask("rooms"))
    mediator.add_instance_get("/rooms/<string:doc_id>", Told)
    assert len(mediator.routes) == 1


def by_snapshot(cls: Any, snapshot: Any) -> Any: ...
async def awaited(cls: Any, snapshot: Any) -> Any: ...


class ReaderStore(RoomStore):
    reader = each(str, source=lambda store: ["ann"])


class SeasonStore(RoomStore):
    season = param(str)


@pytest.mark.parametrize(
    ("store_cls", "slot"), [(ReaderStore, "reader"), (SeasonStore, "season")], ids=["each", "param"]
)
@pytest.mark.parametrize("make", MEDIATORS.values(), ids=MEDIATORS)
def test_one_document_is_not_all_that_such_a_view_is_of(
    make: Callable[[Any], object],
    store_cls: type[Store],
    slot: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{__name__}.RoomStore", store_cls)
    with pytest.raises(ConfigurationError) as refused:
        make(classmethod(by_snapshot))
    assert (
        "RoomView has a new() of its own, which is called with one document, and a view of "
        f"{store_cls.__name__} is of {slot} besides: remove new(), or annotate `store` with a Store"
    ) in str(refused.value)


class YearStore(Store):
    year = param(int)


class HomeStore(Store):
    room = reference(Room, source=lambda store: "Room/a")


class PairStore(RoomStore):
    other = root(Room)


#: What a view is of, by the path that names all of it.
OF: dict[type[Store], tuple[str, str]] = {
    ReaderStore: ("v/{room.doc_id}-{reader}", "room, reader"),
    SeasonStore: ("v/{room.doc_id}-{season}", "room, season"),
    YearStore: ("v/{year}", "year"),
    HomeStore: ("v/main", "nothing, as there is one"),
    PairStore: ("v/{room.doc_id}-{other.doc_id}", "room, other"),
}
ALONE = "is for views of one root alone, and RoomView is of {of}"
#: What needs one document alone, and what it says otherwise.
ONE_ALONE = {
    "patches": f"patches='RoomView_PATCH' {ALONE}",
    "forms": f"a form without a begin(doc_id) of its own {ALONE}",
    "list_post": f"RoomMutation.mutate_create {ALONE}",
    "instance_delete": f"RoomMutation.mutate_delete {ALONE}",
}


def inheriting(store_cls: type[Store]) -> Callable[..., type[ViewModel]]:
    def with_store(new: Any, parent: type[ViewModel] = ViewModel) -> type[ViewModel]:
        members: dict[str, Any] = {"path": OF[store_cls][0]}
        if parent is not ViewModel:
            members |= {"form_path": "rooms_POST/{room_id}", "refusal_path": "refusals/{room_id}"}
        given = {"__annotations__": {"store": store_cls}, "Meta": type("Meta", (), members)}
        return type("RoomView", (parent,), {**given, "__module__": __name__})

    return with_store


@pytest.mark.parametrize("store_cls", OF)
@pytest.mark.parametrize("kind", ONE_ALONE)
def test_what_is_for_one_document_refuses_other_views(
    kind: str, store_cls: type[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.view_of", inheriting(store_cls))
    with pytest.raises(ConfigurationError) as refused:
        MEDIATORS[kind](None)
    assert ONE_ALONE[kind].format(of=OF[store_cls][1]) in str(refused.value)


@pytest.mark.parametrize(
    ("store_cls", "said"),
    [
        (ReaderStore, "RoomView is of room, reader, and one document has to say which view it is"),
        (SeasonStore, "RoomView is of season, and Room, which the query finds, has no attribute"),
        (YearStore, "RoomView is of year, and Room, which the query finds, has no attribute"),
        (HomeStore, "RoomView is of nothing, as there is one, and one document has to say which"),
        (PairStore, "RoomView is of room, other, and one document has to say which view it is"),
    ],
)
def test_a_task_says_all_that_its_view_is_of(
    store_cls: type[Store], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.view_of", inheriting(store_cls))
    with pytest.raises(ConfigurationError) as refused:
        MEDIATORS["tasks"](None)
    assert said in str(refused.value)


def test_clients_of_a_websocket_name_what_else_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def new(cls: Any, doc_id: str, season: str) -> Any: ...
    def of_snapshot(cls: Any, snapshot: Any, season: str) -> Any: ...

    monkeypatch.setattr(f"{__name__}.RoomStore", SeasonStore)
    for own in (new, of_snapshot):
        mediator = WsMediator(view_of(classmethod(own)), namespace="/rooms")
        assert list(mediator.arguments.fields) == ["doc_id", "season"]


@pytest.mark.parametrize("make", MEDIATORS.values(), ids=MEDIATORS)
def test_one_that_is_given_later_is_looked_at_too(
    make: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_new(new: Any, parent: type[ViewModel] = ViewModel) -> type[ViewModel]:
        view_cls = view_with(classmethod(by_snapshot), parent)
        view_cls.new = new  # type: ignore[method-assign]
        return view_cls

    view_with = view_of
    monkeypatch.setattr(f"{__name__}.view_of", with_new)
    with pytest.raises(ConfigurationError, match=r"RoomView\.new is a coroutine function"):
        make(classmethod(awaited))


def test_a_method_of_another_object_builds_views_as_well() -> None:
    class Builder:
        def new(self, snapshot: Any) -> Any: ...

    QueryMediator(view_of(Builder().new), query=Room.get_query())


GIVEN: dict[str, Callable[[Any], object]] = {
    "query": lambda given: QueryMediator(given, query=Room.get_query()),
    "document": lambda given: DocumentMediator(given, document="Room/a"),
    "patches": lambda given: DocumentMediator(given, mutation_cls=Mutation, patches="p"),
    "tasks": lambda given: QueryTaskMediator(given, query=Room.get_query()),
    "forms": QueryTaskMediator,
    "rest": lambda given: RestMediator(given, app=Flask("rooms")),
    "websocket": lambda given: WsMediator(given, namespace="/rooms"),
}


@pytest.mark.parametrize("given", [list[int], "RoomView", Room], ids=str)
@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
def test_what_is_no_view_class_is_refused(make: Callable[[Any], object], given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a view model: expected a sub"):
        make(given)


def test_a_view_that_nobody_knows_how_to_create_is_not_posted() -> None:
    with pytest.raises(ConfigurationError, match="does not know how to make the view of a new Roo"):
        rest("list_post")(classmethod(by_snapshot))
    view_cls = view_of(classmethod(by_snapshot))
    app = Flask("rooms")
    boiler = Boiler(app, config=Config(project="p", testing=True))
    boiler.expose(view_cls, mutation_of(view_cls), rule="/rooms")
    assert app.test_client().post("/rooms", json={}).status_code == 405
