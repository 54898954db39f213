"""A world for the conformance tests: a view with an attribute of every kind, all writable."""

from __future__ import annotations

import enum
import uuid
from typing import Any, Literal, TypeVar

import marshmallow
from flask import Flask

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Model,
    Mutation,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)

T = TypeVar("T")

_UUID = uuid.UUID(int=1)


class Glaze(enum.StrEnum):
    GLOSS = "gloss"
    MATT = "matt"


class Mark(Model):
    colour: Attr[str]
    size: Attr[int] = attrs.bproperty(default=1)


class WideMark(Mark):
    width: Attr[float] = attrs.bproperty(default=2.0)


class Potter(DomainModel):
    full_name: Attr[str]
    town: Attr[str | None] = attrs.bproperty(default=None)


class Jug(DomainModel):
    """Every kind of attribute, by the names of the kinds."""

    text: Attr[str] = attrs.bproperty(default="")
    short: Attr[str] = attrs.bproperty(default="x")
    maybe: Attr[str | None] = attrs.bproperty(default=None)
    whole: Attr[int] = attrs.bproperty(default=0)
    few: Attr[int] = attrs.bproperty(default=1)
    ratio: Attr[float] = attrs.bproperty(default=0.0)
    flag: Attr[bool] = attrs.bproperty(default=False)
    glaze: Attr[Glaze] = attrs.bproperty(default=Glaze.MATT)
    stand: Attr[Literal["oak", "ash"] | None] = attrs.bproperty(default=None)
    either: Attr[int | str] = attrs.bproperty(default=0)
    words: Attr[list[str]] = attrs.bproperty(default_factory=list)
    table: Attr[dict[str, int]] = attrs.bproperty(default_factory=dict)
    moment = attrs.timestamp()
    clock = attrs.local_time(timezone="Europe/Berlin")
    vector = attrs.vector()
    mark = attrs.embed(Mark)
    marks = attrs.embed(Mark, many=True)
    others = attrs.relation("Jug", many=True)
    elsewhere = attrs.reference()
    potter = attrs.relation(Potter, nested=True)
    token: Attr[Any] = attrs.bproperty(marshmallow.fields.UUID(), default=_UUID)
    anything = attrs.bproperty()


class JugStore(Store):
    jug = reference(Jug)


class JugView(ViewModel):
    """A jug."""

    store: JugStore

    text = attrs.through("jug.text")
    short = attrs.through("jug.short", validate=marshmallow.validate.Length(min=1, max=3))
    maybe = attrs.through("jug.maybe")
    whole = attrs.through("jug.whole")
    few = attrs.through("jug.few", validate=marshmallow.validate.Range(min=1, max=9))
    ratio = attrs.through("jug.ratio")
    flag = attrs.through("jug.flag")
    glaze = attrs.through("jug.glaze")
    stand = attrs.through("jug.stand")
    either = attrs.through("jug.either")
    words = attrs.through("jug.words")
    table = attrs.through("jug.table")
    moment = attrs.through("jug.moment")
    clock = attrs.through("jug.clock")
    vector = attrs.through("jug.vector")
    mark = attrs.through("jug.mark")
    marks = attrs.through("jug.marks")
    others = attrs.through("jug.others")
    elsewhere = attrs.through("jug.elsewhere")
    potter = attrs.through("jug.potter")
    token = attrs.through("jug.token")
    anything = attrs.through("jug.anything")

    class Meta:
        path = "jugView/{jug.doc_id}"


class JugMutation(Mutation[JugView]):
    pass


def create_jugs_app(boiler: Boiler) -> Flask:
    """An application that serves jugs by every kind of route."""
    app = Flask("jugs")
    boiler.init_app(app)
    one = "/jugs/<string:doc_id>"
    mediator = RestMediator(view_model_cls=JugView, mutation_cls=JugMutation, app=app)
    mediator.add_list_get(rule="/jugs")
    mediator.add_list_post(rule="/jugs")
    mediator.add_instance_get(rule=one)
    mediator.add_instance_put(rule=one)
    mediator.add_instance_patch(rule=one)
    mediator.add_instance_delete(rule=one)
    return app


def save_a_jug() -> Jug:
    """One that has nothing but defaults."""
    jug = Jug.new(doc_id="brown")
    jug.save()
    return jug
