"""What one mediator can build of a document, all can; by whichever ``new`` the view has."""

# mypy: disable-error-code="no-redef, union-attr, misc"

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DocumentMediator,
    DomainModel,
    Mutation,
    QueryMediator,
    QueryTaskMediator,
    RestMediator,
    Store,
    ViewModel,
    WsMediator,
    attrs,
    reference,
)
from flask_boiler.testing import Settle


class Door(DomainModel):
    title: Attr[str] = attrs.bproperty()


class DoorStore(Store):
    door = reference(Door)


class DoorView(ViewModel):
    store: DoorStore

    title: Attr[str] = attrs.bproperty()

    @title.getter
    def title(self) -> Any:
        return self.store.door.title

    @title.setter
    def title(self, value: str) -> None:
        self.store.door.title = value

    class Meta:
        path = "doorView/{door.doc_id}"


def made(cls: Any, door: Any) -> Any:
    return cls(store=DoorStore(door=door))


def by_snapshot(cls: Any, snapshot: Any) -> Any:
    return made(cls, snapshot)


def by_id(cls: Any, doc_id: str) -> Any:
    return made(cls, doc_id)


def by_reference(cls: Any, doc_ref: Any) -> Any:
    return made(cls, doc_ref)


def by_two(cls: Any, doc_id: str, snapshot: Any) -> Any:
    assert doc_id == snapshot.id
    return made(cls, snapshot)


def by_name_only(cls: Any, *, snapshot: Any, depth: int = 1, **others: Any) -> Any:
    assert (depth, others) == (1, {})
    return made(cls, snapshot)


GOOD: dict[str, type[ViewModel]] = {
    "inherited": DoorView,
    **{
        new.__name__: type(new.__name__.title(), (DoorView,), {"new": classmethod(new)})
        for new in (by_snapshot, by_id, by_reference, by_two, by_name_only)
    },
}


@pytest.mark.parametrize("view_cls", GOOD.values(), ids=GOOD)
def test_every_mediator_builds_it(
    boiler: Boiler, settle: Settle, view_cls: type[ViewModel]
) -> None:
    def placed(place: str) -> type[ViewModel]:
        meta = type("Meta", (), {"path": f"{place}/{{door.doc_id}}"})
        return type(f"{view_cls.__name__}_{place}", (view_cls,), {"Meta": meta})

    mutation = type("DoorMutation", (Mutation,), {"view_model_cls": view_cls})
    app = Flask("doors")
    boiler.init_app(app)
    boiler.add(QueryMediator(placed("queried"), query=Door.get_query()))
    boiler.add(DocumentMediator(placed("single"), document="Door/a"))
    boiler.add(DocumentMediator(mutation_cls=mutation, patches="Door_PATCH"))
    boiler.add(QueryTaskMediator(placed("tasked"), query=Door.get_query(), mark="ledger"))
    rest = boiler.add(RestMediator(view_cls, mutation, app=app))
    rest.add_instance_get("/doors/<string:doc_id>")
    rest.add_list_get("/doors")
    rest.add_instance_patch("/doors/<string:doc_id>")
    boiler.add(WsMediator(view_cls, mutation, namespace="/doors"))
    boiler.io.on_namespace(boiler.mediators[-1])
    Door.new(doc_id="a", title="A").save()
    client = app.test_client()
    with boiler:
        listening = boiler.io.test_client(app, namespace="/doors")
        asked = ("subscribe_view_model", {"doc_id": "a"})
        live = listening.emit(*asked, callback=True, namespace="/doors")
        settle()
        kept = [
            CTX.db.document(f"{place}/a").get().get("title")
            for place in ("queried", "single", "tasked")
        ]
        listed: Any = client.get("/doors").json
        shown = [client.get("/doors/a").json, listed["results"]["a"]]
        assert client.patch("/doors/a", json={"title": "B"}).json == {"title": "B"}
        command = {"operation": "patch", "doc_id": "a", "data": {"title": "C"}}
        mutated = listening.emit("mutate", command, callback=True, namespace="/doors")
        patch = CTX.db.document("Door_PATCH/p")
        patch.set({"target_door_id": "a", "title": "D"})
        settle()
        assert patch.get().get("result.status") == "applied"
    assert kept == ["A"] * 3
    assert [*shown, live["value"]] == [{"title": "A"}] * 3
    assert mutated["value"] == {"title": "C"}
    assert Door.get_or_raise("a").title == "D"
