"""Who is a member: whatever the source of an ``each`` names members by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler.errors import BoilerError, DeclarationError, DocumentNotFoundError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.each import Each, each
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Crew(DomainModel):
    pass


class Bunk(DomainModel):
    class Meta:
        parent = Crew


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        for doc_id in ("ann", "bob", "eve"):
            datastore.put(f"Crew/{doc_id}")
        datastore.put("Crew/ann/Bunk/d")
        yield datastore


def view_of(source: Callable[[Any], Any], model: Any = Crew) -> type[ViewModel]:
    class ShiftStore(Store):
        member: Each[Any] = each(model, source=source)

    class ShiftView(ViewModel):
        store: ShiftStore

    return ShiftView


NAMED: dict[str, Callable[[Any], Any]] = {
    "ids": lambda store: ["ann", "bob"],
    "paths": lambda store: ("Crew/ann", "Crew/bob"),
    "models": lambda store: [Crew.get("ann"), Crew.get("bob")],
    "references": lambda store: [Crew.get_or_raise(name).doc_ref for name in ("ann", "bob")],
    "a dict": lambda store: {"x": "ann", "y": "Crew/bob"},
    "some of each": lambda store: [None, "ann", Crew.get("bob"), "ann"],
    "a generator": lambda store: (name for name in ("ann", "bob")),
    "a query": lambda store: Crew.where(Crew.doc_id < "c"),
}


@pytest.mark.parametrize("source", NAMED.values(), ids=NAMED)
def test_members_are_known_however_they_are_named(source: Callable[[Any], Any]) -> None:
    view_cls = view_of(source)
    for name in ("ann", "bob"):
        assert view_cls.new(member=name).store.member.doc_id == name
        assert view_cls.new(member=f"Crew/{name}").store.member.doc_id == name
    with pytest.raises(DocumentNotFoundError):
        view_cls.new(member="eve")


@pytest.mark.parametrize("named", [["ann"], {"ann": "x"}, ("eve", "ann")])
def test_ids_are_members_of_themselves(named: Any) -> None:
    view_cls = view_of(lambda store: named, str)
    assert view_cls.new(member="ann").store.member == "ann"
    with pytest.raises(DocumentNotFoundError):
        view_cls.new(member="x")


def test_documents_below_others_are_named_by_paths() -> None:
    view_cls = view_of(lambda store: ["Crew/ann/Bunk/d"], Bunk)
    assert view_cls.new(member="Crew/ann/Bunk/d").store.member.doc_id == "d"
    with pytest.raises(DocumentNotFoundError):
        view_cls.new(member="Crew/bob/Bunk/d")
    with pytest.raises(BoilerError, match="does not know the collection of 'd'"):
        view_of(lambda store: ["d"], Bunk).new(member="Crew/ann/Bunk/d")


@pytest.mark.parametrize("odd", [5, "Bunk/x/y/z", "Other/ann", b"ann"])
@pytest.mark.parametrize("named", ["ann", "Crew/ann"])
def test_what_is_no_member_keeps_no_member_away(odd: Any, named: str) -> None:
    assert view_of(lambda store: [odd, named]).new(member="ann").store.member.doc_id == "ann"


@pytest.mark.parametrize("odd", [5, "Bunk/x/y/z", "Other/ann", b"ann"])
def test_what_is_no_member_is_refused(odd: Any) -> None:
    with pytest.raises(DeclarationError, match=r"ShiftStore\.member cannot be"):
        view_of(lambda store: [odd, "ann"]).new(member="eve")
