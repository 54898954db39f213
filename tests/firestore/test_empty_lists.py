"""Empty lists in the queries of live views, mediators and lists: empty in, empty out."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DomainModel,
    QueryMediator,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.testing import Settle


class Lodger(DomainModel):
    name: Attr[str]
    rooms: Attr[int] = attrs.bproperty(default=1)


class Lodge(DomainModel):
    lodgers: Attr[list[str]] = attrs.bproperty(default_factory=list)


class LodgeStore(Store):
    lodge: Any = reference(Lodge)
    lodgers = reference(
        Lodger,
        many=True,
        source=lambda store: Lodger.where(Lodger.doc_id.in_(store.lodge.lodgers)),
    )


class LodgeView(ViewModel):
    store: LodgeStore

    class Meta:
        path = "lodgeView/{lodge.doc_id}"

    @attrs.computed
    def names(self) -> list[str]:
        return sorted(lodger.name for lodger in self.store.lodgers.values())

    @attrs.computed
    def others(self) -> int:
        return Lodger.where(Lodger.doc_id.not_in(self.store.lodge.lodgers)).count()

    @attrs.computed
    def rooms(self) -> int:
        listed = Lodger.where(Lodger.name.in_(self.names))
        return int(listed.sum(Lodger.rooms))


def shown() -> tuple[Any, Any, Any]:
    fields = CTX.db.document("lodgeView/l").get().to_dict() or {}
    return fields.get("names"), fields.get("others"), fields.get("rooms")


def test_a_live_view_whose_list_becomes_empty_and_full_again(
    boiler: Boiler, settle: Settle
) -> None:
    Lodger.new("ada", name="Ada", rooms=2).save()
    Lodge.new("l").save()
    boiler.add(QueryMediator(LodgeView, query=Lodge.all()))
    boiler.start()
    settle()
    assert boiler.parked == []
    assert shown() == ([], 1, 0)
    Lodge.get_or_raise("l").update(lodgers=["ada"])
    settle()
    assert shown() == (["Ada"], 0, 2)
    Lodge.get_or_raise("l").update(lodgers=[])
    Lodger.new("ben", name="Ben").save()
    settle()
    assert boiler.parked == []
    assert shown() == ([], 2, 0)


def test_a_mediator_whose_query_finds_nothing_gives_up_what_it_found_before(
    boiler: Boiler, settle: Settle
) -> None:
    Lodge.new("l").save()
    with QueryMediator(LodgeView, query=Lodge.all()):
        settle()
        assert shown() == ([], 0, 0)
    with QueryMediator(LodgeView, query=Lodge.where(Lodge.doc_id.in_([]))):
        settle()
        assert not CTX.db.document("lodgeView/l").get().exists


def test_over_http(boiler: Boiler) -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="for the tests")
    mediator = RestMediator(LodgeView, app=app)
    mediator.add_list_get("/lodges")
    mediator.add_instance_get("/lodges/<string:doc_id>")
    Lodge.new("l").save()
    answer = app.test_client().get("/lodges/l")
    assert answer.status_code == 200
    assert answer.json == {"names": [], "others": 0, "rooms": 0}
    listed: Any = app.test_client().get("/lodges").json
    assert listed["results"] == {"l": answer.json}
