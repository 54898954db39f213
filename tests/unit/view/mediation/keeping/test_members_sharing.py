"""What the views of members have in common is not spoilt by one of them, nor by a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_members_counts import House


class Owner(DomainModel):
    name: Attr[str]

    class Meta:
        collection_name = "owners"


def _name(owner: Owner | None) -> str:
    return "" if owner is None else owner.name


class Shop(DomainModel):
    title: Attr[str]
    members: Attr[list[str]]
    open = attrs.bproperty()
    owner = attrs.relation(Owner, nested=True)

    class Meta:
        collection_name = "shops"


class Customer(DomainModel):
    name: Attr[str]
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    shop = attrs.bproperty()
    guide = attrs.relation(Owner, nested=True)

    class Meta:
        collection_name = "customers"


class ShopStore(Store):
    shop = root(Shop)

    @each(Customer)
    def customer(self) -> Sequence[str]:
        return self.shop.members


class Leaflet(ViewModel):
    """Shows relations of the root: to all alike, and to each."""

    store: ShopStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def owner(self) -> str:
        return _name(self.store.shop.owner)

    @attrs.computed
    def greeting(self) -> str:
        return f"{_name(self.store.shop.owner)} to {self.store.customer.name}"


class Listed(ViewModel):
    """Changes what it got."""

    store: ShopStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def names(self) -> list[str]:
        names = self.store.shop.members
        names.append(self.store.customer.name)
        return names


class GuidedStore(ShopStore):
    @reference(Owner, many=True)
    def owners(self) -> Query[Owner]:
        return Owner.get_query()


class FoundStore(Store):
    shop = root(Shop)

    @each(Customer)
    def customer(self) -> Query[Customer]:
        return Customer.where(Customer.shop == self.shop.doc_id)


class Found(ViewModel):
    """Of members that a query finds; reads a relation of theirs, and changes what it got."""

    store: FoundStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def guide(self) -> str:
        return _name(self.store.customer.guide)

    @attrs.computed
    def tags(self) -> list[str]:
        tags = self.store.customer.tags
        tags.append(self.store.shop.title)
        return tags


class Guided(ViewModel):
    """Shows to each member the owners that several views read."""

    store: GuidedStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def everybody(self) -> list[str]:
        return sorted(owner.name for owner in self.store.owners.values())

    @attrs.computed
    def names(self) -> list[str]:
        self.store.owners["o"].name += f" for {self.store.customer.name}"
        return sorted(owner.name for owner in self.store.owners.values())


class Careless(ViewModel):
    """Catches whatever there is to catch."""

    store: ShopStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def name(self) -> str:
        try:
            return self.store.customer.name
        except BaseException:
            return "nobody"

    @attrs.computed
    def initial(self) -> str:
        try:
            return self.store.customer.name[0]
        except BaseException as error:
            raise ValueError("no initial") from error

    @attrs.computed
    def title(self) -> str:
        return self.store.shop.title


class Hasty(ViewModel):
    """Reads the member before anything is asked of it."""

    store: ShopStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    def __init__(self, *, store: Store | None = None, **fields: Any) -> None:
        super().__init__(store=store, **fields)
        self.own_name = self.store.customer.name

    @attrs.computed
    def name(self) -> str:
        return self.own_name


class Spoiling(ViewModel):
    """Changes its document after it is made."""

    store: ShopStore

    class Meta:
        path = "shops/{shop.doc_id}/copies/{customer.doc_id}"

    @attrs.computed
    def open(self) -> Any:
        return self.store.shop.open

    @attrs.computed
    def members(self) -> list[str]:
        return self.store.shop.members

    def notify(self) -> None:
        document = self.to_document()
        document["members"].append("nobody")
        super().notify()


class Shops(House):
    def put(self, path: str, /, **fields: Any) -> None:
        kinds = {"shops": "Shop", "owners": "Owner", "customers": "Customer"}
        self.datastore.put(path, obj_type=kinds[path.partition("/")[0]], **fields)

    def open(self, view_cls: type[ViewModel]) -> None:
        self.keep(view_cls, Shop.get_query())

    def shown(self, field: str) -> dict[str, Any]:
        return {
            path.rpartition("/")[2]: found.fields[field]
            for path, found in self.datastore.documents.items()
            if path.startswith("shops/s/copies/")
        }


@pytest.fixture
def shops() -> Iterator[Shops]:
    shops = Shops()
    to = shops.datastore.codec.reference
    shops.put("owners/o", name="Olga")
    shops.put("owners/p", name="Paul")
    shops.put("customers/ann", name="Ann", shop="s", guide=to("owners/o"), tags=[])
    shops.put("customers/bob", name="Bob", shop="s", guide=to("owners/p"), tags=[])
    shops.put("shops/s", title="S", members=["ann", "bob"], owner=to("owners/o"))
    with shops.boiler.context.activated():
        yield shops
    shops.boiler.close()


def test_a_relation_of_the_root_is_read_by_each_view_that_shows_it(shops: Shops) -> None:
    shops.open(Leaflet)
    assert shops.shown("greeting") == {"ann": "Olga to Ann", "bob": "Olga to Bob"}
    shops.put("owners/o", name="Otto")
    shops.settle()
    assert shops.shown("owner") == {"ann": "Otto", "bob": "Otto"}
    assert shops.shown("greeting") == {"ann": "Otto to Ann", "bob": "Otto to Bob"}


def test_a_relation_of_a_member_that_a_query_found(shops: Shops) -> None:
    shops.open(Found)
    shops.put("owners/o", name="Otto")
    shops.settle()
    assert shops.shown("guide") == {"ann": "Otto", "bob": "Paul"}


def test_what_a_getter_does_to_a_value_is_seen_by_no_other_view(shops: Shops) -> None:
    shops.open(Listed)
    assert shops.shown("names") == {"ann": ["ann", "bob", "Ann"], "bob": ["ann", "bob", "Bob"]}


def test_nor_by_the_next_computation(shops: Shops) -> None:
    shops.open(Found)
    shops.put("owners/o", name="Otto")
    shops.settle()
    assert shops.shown("tags") == {"ann": ["S"], "bob": ["S"]}


def test_a_getter_that_catches_everything_is_called_for_each_member(shops: Shops) -> None:
    shops.open(Careless)
    assert shops.shown("name") == {"ann": "Ann", "bob": "Bob"}
    assert shops.shown("initial") == {"ann": "A", "bob": "B"}
    assert shops.shown("title") == {"ann": "S", "bob": "S"}
    assert shops.parked == []


def test_a_view_that_reads_the_member_when_it_is_made(shops: Shops) -> None:
    shops.open(Hasty)
    assert shops.shown("name") == {"ann": "Ann", "bob": "Bob"}


def test_nor_is_what_it_does_to_one_of_many(shops: Shops) -> None:
    shops.open(Guided)
    assert shops.shown("everybody") == {"ann": ["Olga", "Paul"], "bob": ["Olga", "Paul"]}
    assert shops.shown("names") == {
        "ann": ["Olga for Ann", "Paul"],
        "bob": ["Olga for Bob", "Paul"],
    }


def test_who_changes_a_document_changes_no_other_one(shops: Shops) -> None:
    shops.open(Spoiling)
    assert shops.shown("members") == {"ann": ["ann", "bob"], "bob": ["ann", "bob"]}


@pytest.mark.parametrize(("before", "after"), [(1, True), (False, 0), (1.5, None)])
def test_what_all_show_differs_where_it_is_stored_differently(
    shops: Shops, before: Any, after: Any
) -> None:
    shops.put("shops/s", title="S", members=["ann"], open=before)
    shops.open(Spoiling)
    shops.put("shops/s", title="S", members=["ann"], open=after)
    shops.settle()
    [shown] = shops.shown("open").values()
    assert type(shown) is type(after)
