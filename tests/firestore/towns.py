"""A small world for the REST tests: towns with values of every kind, written through a view."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)


class Party(DomainModel):
    title = attrs.bproperty()


class Leader(DomainModel):
    full_name = attrs.bproperty()
    party = attrs.relation(Party)


class Town(DomainModel):
    name: Attr[str] = attrs.bproperty()
    population: Attr[int] = attrs.bproperty(default=0)
    capital = attrs.bproperty()
    founded = attrs.timestamp()
    place = attrs.geo_point()
    seal = attrs.bytes_()
    leader = attrs.relation(Leader)
    secret = attrs.bproperty()


class TownStore(Store):
    town = reference(Town)
    leader = reference(Leader, source=lambda store: store.town.leader)
    party = reference(Party, source=lambda store: store.leader and store.leader.party)


class TownView(ViewModel):
    store: TownStore

    name: Attr[str] = attrs.through("town.name")
    population: Attr[int] = attrs.through("town.population")
    capital = attrs.through("town.capital", import_enabled=False)
    founded = attrs.through("town.founded")
    place = attrs.through("town.place")
    seal = attrs.through("town.seal")
    leader = attrs.through("town.leader")
    leader_name = attrs.bproperty()

    class Meta:
        path = "townView/{town.doc_id}"

    @leader_name.getter
    def leader_name(self) -> Any:
        leader, party = self.store.leader, self.store.party
        if leader is None:
            return None
        return leader.full_name if party is None else f"{leader.full_name} ({party.title})"


class TownMutation(Mutation[TownView]):
    pass


def create_towns_app(boiler: Boiler) -> Flask:
    """An application that serves towns by every kind of route."""
    app = Flask("towns")
    boiler.init_app(app)
    one = "/towns/<string:doc_id>"
    mediator = RestMediator(view_model_cls=TownView, mutation_cls=TownMutation, app=app)
    mediator.add_list_get(rule="/towns")
    mediator.add_list_post(rule="/towns")
    mediator.add_instance_get(rule=one)
    mediator.add_instance_put(rule=one)
    mediator.add_instance_patch(rule=one)
    mediator.add_instance_delete(rule=one)
    return app


def save_a_town() -> Town:
    """Ulm, and those who lead it."""
    Party.new(doc_id="p1", title="Sparrows").save()
    Leader.new(doc_id="l1", full_name="Ada", party="p1").save()
    town = Town.new(doc_id="ulm", name="Ulm", population=3, leader="l1", secret="x")
    town.save()
    return town
