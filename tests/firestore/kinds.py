"""A world for the conformance tests: a view with an attribute of every kind, all writable."""

from __future__ import annotations

import enum
import uuid
from typing import Any, Literal, TypeVar

import marshmallow
from flask import Flask

from flask_boiler import attrs
from flask_boiler.attrs import Attr
from flask_boiler.domain_model import DomainModel
from flask_boiler.extension import Boiler
from flask_boiler.model import Model
from flask_boiler.mutation import Mutation
from flask_boiler.store import Store, reference
from flask_boiler.view import RestMediator
from flask_boiler.view_model import ViewModel

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


def mirrored(attribute: Attr[T], name: str) -> Attr[T]:
    """An attribute that reads and writes the one of this name in the root."""
    mirror = attribute.getter(lambda view: getattr(view.store.jug, name))
    return mirror.setter(lambda view, value: setattr(view.store.jug, name, value))


class JugView(ViewModel):
    """A jug."""

    store: JugStore

    text = mirrored(attrs.bproperty(str), "text")
    short = mirrored(
        attrs.bproperty(str, validate=marshmallow.validate.Length(min=1, max=3)), "short"
    )
    maybe = mirrored(attrs.bproperty(str | None), "maybe")
    whole = mirrored(attrs.bproperty(int), "whole")
    few = mirrored(attrs.bproperty(int, validate=marshmallow.validate.Range(min=1, max=9)), "few")
    ratio = mirrored(attrs.bproperty(float), "ratio")
    flag = mirrored(attrs.bproperty(bool), "flag")
    glaze = mirrored(attrs.bproperty(Glaze), "glaze")
    stand = mirrored(attrs.bproperty(Literal["oak", "ash"] | None), "stand")
    either = mirrored(attrs.bproperty(int | str), "either")
    words = mirrored(attrs.bproperty(list[str]), "words")
    table = mirrored(attrs.bproperty(dict[str, int]), "table")
    moment = mirrored(attrs.timestamp(), "moment")
    clock = mirrored(attrs.local_time(timezone="Europe/Berlin"), "clock")
    vector = mirrored(attrs.vector(), "vector")
    mark = mirrored(attrs.embed(Mark), "mark")
    marks = mirrored(attrs.embed(Mark, many=True), "marks")
    others = mirrored(attrs.relation("Jug", many=True), "others")
    elsewhere = mirrored(attrs.reference(), "elsewhere")
    potter = mirrored(attrs.relation(Potter, nested=True), "potter")
    token = mirrored(attrs.bproperty(marshmallow.fields.UUID()), "token")
    anything = mirrored(attrs.bproperty(), "anything")

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
