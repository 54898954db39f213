"""Fields that a getter leaves out: wherever views are stored, sent or shown."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask

from flask_boiler import (
    CTX,
    OMIT,
    Attr,
    Boiler,
    DomainModel,
    Omit,
    QueryMediator,
    QueryTaskMediator,
    RestMediator,
    Store,
    ViewModel,
    WsMediator,
    attrs,
    root,
)
from flask_boiler.openapi import openapi_document
from flask_boiler.testing import Settle
from tests.firestore.test_websocket import TIMEOUT_S, Client, World


class Auction(DomainModel):
    title: Attr[str]
    bid: Attr[int] = attrs.bproperty(default=0)


class AuctionStore(Store):
    auction = root(Auction)


class AuctionView(ViewModel):
    """Shows no price before there is a bid."""

    store: AuctionStore

    title: Attr[str] = attrs.through("auction.title")

    class Meta:
        path = "auctionView/{auction.doc_id}"

    @attrs.computed
    def price(self) -> int | Omit:
        return self.store.auction.bid or OMIT


def stored(path: str = "auctionView/a") -> dict[str, Any]:
    fields: dict[str, Any] = CTX.db.document(path).get().to_dict() or {}
    return {name: value for name, value in fields.items() if name not in ("obj_type", "doc_ref")}


def bid(amount: int) -> None:
    Auction(doc_id="a", title=TITLE, bid=amount).save()


#: Long enough for patches to be shorter than the value.
TITLE = "A vase of the Ming dynasty, in a box of pear wood with the seal of its last owner"
OPEN, SOLD = {"title": TITLE}, {"title": TITLE, "price": 3}


def test_a_stored_field_goes_and_comes(boiler: Boiler, settle: Settle) -> None:
    with boiler.add(QueryMediator(AuctionView, query=Auction.get_query())):
        for amount, fields in ((0, OPEN), (3, SOLD), (0, OPEN), (3, SOLD)):
            bid(amount)
            settle()
            assert stored() == fields


def test_a_task_stores_a_view_without_it(boiler: Boiler, settle: Settle) -> None:
    with boiler.add(QueryTaskMediator(AuctionView, query=Auction.get_query())):
        for amount, fields in ((3, SOLD), (0, OPEN)):
            bid(amount)
            settle()
            assert stored() == fields


def test_over_rest_the_member_is_missing(boiler: Boiler) -> None:
    app = Flask("auctions")
    boiler.init_app(app)
    mediator = RestMediator(AuctionView, app=app)
    mediator.add_list_get(rule="/auctions")
    mediator.add_instance_get(rule="/auctions/<string:doc_id>")
    bid(0)
    Auction(doc_id="b", title=TITLE, bid=3).save()
    client = app.test_client()
    tags = {client.get(f"/auctions/{doc_id}").headers["ETag"] for doc_id in "ab"}
    assert len(tags) == 2
    assert client.get("/auctions/a").get_json() == OPEN
    assert client.get("/auctions").get_json()["results"] == {"a": OPEN, "b": SOLD}
    [schema] = [
        schema
        for name, schema in openapi_document(app)["components"]["schemas"].items()
        if name == "AuctionView"
    ]
    assert (schema["required"], schema["properties"]["price"]["type"]) == (["title"], "integer")


@pytest.mark.parametrize("updates", ["full", "json-patch", "merge-patch"])
def test_subscribers_see_the_member_go(boiler: Boiler, settle: Settle, updates: str) -> None:
    mediator = WsMediator(AuctionView, namespace="/auctions")
    world = World(boiler, mediator)
    bid(3)
    client = world.client()
    assert client.subscribe("a", updates=updates)["value"] == SOLD
    bid(0)
    expected = {
        "full": OPEN,
        "json-patch": [{"op": "remove", "path": "/price"}],
        "merge-patch": {"price": None},
    }
    assert next_update(client) == expected[updates]
    mediator.stop()


def next_update(client: Client) -> Any:
    patience = threading.Event()
    for _ in range(int(TIMEOUT_S * 100)):
        for value, _ in client.received("updated"):
            return value
        patience.wait(0.01)
    raise AssertionError("there was no update")
