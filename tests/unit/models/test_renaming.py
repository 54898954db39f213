"""Documents of classes that are not known here, and of classes and attributes with a new name."""

# mypy: disable-error-code="union-attr"

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    DeclarationError,
    DuplicateModelError,
    StoredDataError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.models import declared_model
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions.running import transaction
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Street(Model):
    name: Attr[str]
    length: Attr[int] = attrs.bproperty(default=0, was="size")


class Avenue(Street):
    class Meta:
        was = "Boulevard"


class Place(DomainModel):
    title: Attr[str] = attrs.bproperty(default="", was=("name", "label"))
    people: Attr[int] = attrs.bproperty(default=0)
    street: Attr[Street | None]
    streets = attrs.embed(Street, many=True)
    near = attrs.relation("Place", was="neighbour")
    untyped = attrs.bproperty(was="raw")


class Village(Place):
    farms: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        was = ("Hamlet", "Thorp")


class Strict(DomainModel):
    title: Attr[str]

    class Meta:
        extra = "forbid"


class Visit(DomainModel):
    place = attrs.relation(Place, nested=True)


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    declared_model._report_unknown.cache_clear()
    context, datastore = memory_context()
    with context.activated():
        yield datastore


class TestUnknown:
    @pytest.fixture(autouse=True)
    def documents(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", title="a", people=1)
        datastore.put("Place/b", obj_type="Metropolis", title="b", people=2, boroughs=["x"])
        datastore.put("Place/c", obj_type=7, title="c", people=3)

    def test_it_stops_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert [place.title for place in Place.all()] == ["a", "b", "c"]
            assert Place.where(people=2).first().title == "b"
            found = Place.get_or_raise("b")
        assert (type(found), found.extra) == (Place, {"boroughs": ["x"]})
        assert Place.all().page(3).results[1].people == 2
        told = [record.getMessage() for record in caplog.records]
        assert [text.partition(",")[0] for text in told] == [
            "Place/b has the obj_type 'Metropolis'",
            "Place/c has the obj_type '7'",
        ]

    def test_its_obj_type_is_kept(self, datastore: MemoryDatastore) -> None:
        found = Place.get_or_raise("b")
        assert found.obj_type == "Metropolis"
        found.people = 5
        found.save()
        assert datastore.fields("Place/b") == {
            "obj_type": "Metropolis", "title": "b", "people": 5, "boroughs": ["x"],
        }  # fmt: skip
        found.delete()
        found.save()
        assert (datastore.fields("Place/b") or {})["obj_type"] == "Metropolis"
        assert (datastore.fields("Place/b") or {})["boroughs"] == ["x"]

    def test_in_a_transaction(self, datastore: MemoryDatastore) -> None:
        with transaction():
            found = Place.get_or_raise("b")
            assert Place.all().get()[1] is found
            found.update(people=9)
        assert (datastore.fields("Place/b") or {})["obj_type"] == "Metropolis"

    def test_fields_that_are_not_declared_are_no_fault_of_it(
        self, datastore: MemoryDatastore
    ) -> None:
        datastore.put("Strict/s", obj_type="Stricter", title="x", more=1)
        assert Strict.get_or_raise("s").extra == {"more": 1}
        datastore.put("Strict/s", obj_type="Strict", title="x", more=1)
        with pytest.raises(StoredDataError, match="more"):
            Strict.get("s")

    def test_one_that_is_known_here_is_still_no_other(self, datastore: MemoryDatastore) -> None:
        with pytest.raises(UnknownModelError, match=r"'Place'.*Village"):
            Village.get("a")
        datastore.put("Place/d", obj_type="Visit", title="d")
        assert Place.get_or_raise("d").title == "d"
        with pytest.raises(UnknownModelError):
            DomainModel.get(doc_ref="Place/b")

    def test_a_subclass_finds_its_own_alone(self) -> None:
        assert Village.all().get() == []

    def test_a_relation_leads_to_it(self, datastore: MemoryDatastore) -> None:
        visit = Visit.new("v")
        visit.update_vals(with_raw={"place": datastore.codec.reference("Place/b")})
        visit.save()
        assert Visit.get_or_raise("v").place.title == "b"
        assert [found.place.obj_type for found in Visit.all()] == ["Metropolis"]

    def test_a_view_of_it(self) -> None:
        assert PlaceView.new("b").to_document()["title"] == "b"
        assert list(PlacesView.new("a").to_document()["titles"]) == ["a", "b", "c"]


class PlaceStore(Store):
    place = reference(Place)
    places = reference(Place, many=True, source=lambda store: Place.all())


class PlaceView(ViewModel):
    store: PlaceStore

    @attrs.computed
    def title(self) -> str:
        return self.store.place.title

    @attrs.computed
    def street(self) -> Street | None:
        return self.store.place.street


class PlacesView(ViewModel):
    store: PlaceStore

    @attrs.computed
    def titles(self) -> list[str]:
        return sorted(place.title for place in self.store.places.values())


class TestUnknownParts:
    """What is embedded in a document, of a class that is not known here."""

    def test_it_is_read_and_kept(self, datastore: MemoryDatastore) -> None:
        alley = {"obj_type": "Alley", "name": "x", "dark": True, "length": 1}
        datastore.put("Place/a", obj_type="Place", street=alley, streets={"m": alley})
        found = Place.get_or_raise("a")
        assert (found.street.name, found.street.extra) == ("x", {"dark": True})
        assert PlaceView.new("a").to_document()["street"] == alley
        found.save()
        assert len(datastore.commits) == 0
        found.street.name = found.streets["m"].name = "y"
        found.save()
        assert (datastore.fields("Place/a") or {})["street"] == {**alley, "name": "y"}
        assert (datastore.fields("Place/a") or {})["streets"]["m"] == {**alley, "name": "y"}

    def test_it_is_not_taken_from_outside(self) -> None:
        alley = {"obj_type": "Alley", "name": "x"}
        for given in ({"street": alley}, {"streets": [alley]}):
            with pytest.raises(ValidationError, match="obj_type"):
                Place.new("p").update_vals(with_raw=given)
            with pytest.raises(ValidationError, match="obj_type"):
                Place.understood(given)
            with pytest.raises(ValidationError, match="obj_type"):
                Place.schema(partial=True).load(given)
        with pytest.raises(UnknownModelError):
            Place.from_dict({"obj_type": "Metropolis"})


class TestRenamedClass:
    @pytest.fixture(autouse=True)
    def documents(self, datastore: MemoryDatastore) -> None:
        for name, kind in (("h", "Hamlet"), ("t", "Thorp"), ("v", "Village"), ("p", "Place")):
            datastore.put(f"Place/{name}", obj_type=kind, people=1, farms=2)

    def test_it_is_read_and_found(self) -> None:
        assert [type(place) for place in Place.all()] == [Village, Place, Village, Village]
        assert [place.doc_id for place in Village.all()] == ["h", "t", "v"]
        assert [place.doc_id for place in Village.where(people=1).order_by("farms")] == [
            "h", "t", "v",
        ]  # fmt: skip
        assert Village.all().count() == 3
        assert [place.doc_id for place in Place.where(farms=2)] == ["h", "t", "v"]
        assert type(Village.get("h")) is Village

    def test_it_has_the_new_name_once_it_is_saved(self, datastore: MemoryDatastore) -> None:
        found = Place.get_or_raise("h")
        found.save()
        assert datastore.commits == []
        found.people = 4
        found.save()
        assert (datastore.fields("Place/h") or {})["obj_type"] == "Village"
        assert found.obj_type == "Village"
        found.save()
        assert len(datastore.commits) == 1
        street = {"obj_type": "Boulevard", "name": "x"}
        datastore.put("Place/h", obj_type="Thorp", street=street)
        found = Place.get_or_raise("h")
        assert type(found.street) is Avenue
        found.street.name = "y"
        found.save()
        assert (datastore.fields("Place/h") or {})["street"]["obj_type"] == "Avenue"

    def test_two_cannot_have_been_the_same(self) -> None:
        def declare(name: str, **meta: Any) -> Any:
            body = {"Meta": type("Meta", (), meta), "__module__": __name__}
            return type(name, (Place,), body)

        with pytest.raises(DuplicateModelError, match="Hamlet"):
            declare("Town", was="Hamlet")
        with pytest.raises(DuplicateModelError, match="Village"):
            declare("Town", was=["Village"])
        with pytest.raises(DuplicateModelError, match="Thorp"):
            declare("Thorp")

    def test_it_is_not_handed_on(self) -> None:
        class Farm(Village):
            pass

        assert Farm.own_type_names() == ("Farm",)
        assert Village.own_type_names() == ("Village", "Hamlet", "Thorp")


class TestRenamedAttribute:
    def test_the_earlier_field_is_read_where_the_new_one_is_not(
        self, datastore: MemoryDatastore
    ) -> None:
        link = datastore.codec.reference("Place/z")
        datastore.put("Place/a", obj_type="Place", label="a", neighbour=link, raw={"x": 1})
        found = Place.get_or_raise("a")
        assert (found.title, found.near.path, found.untyped) == ("a", "Place/z", {"x": 1})
        assert found.extra == {}
        assert PlaceView.new("a").title == "a"
        datastore.put("Place/a", obj_type="Place", label="l", name="n", title="t")
        assert Place.get_or_raise("a").title == "t"
        datastore.put("Place/a", obj_type="Place", label="l", name="n")
        assert Place.get_or_raise("a").title == "n"

    def test_reading_it_is_no_change(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", label="a", raw=[1])
        found = Place.get_or_raise("a")
        assert (found.title, found.untyped) == ("a", [1])
        found.save()
        assert datastore.commits == []

    def test_saving_moves_all_of_them(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", label="a", raw=[1], keep=1)
        found = Place.get_or_raise("a")
        found.people = 2
        found.save()
        moved = {"obj_type": "Place", "title": "a", "untyped": [1], "people": 2, "keep": 1}
        assert datastore.fields("Place/a") == moved
        assert [place.doc_id for place in Place.where(title="a")] == ["a"]
        found.title = "b"
        found.save()
        assert datastore.fields("Place/a") == {**moved, "title": "b"}

    def test_changing_it_drops_the_earlier_fields(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", label="a", name="b", raw=[1])
        found = Place.get_or_raise("a")
        found.title = "c"
        found.untyped.append(2)
        found.save()
        assert datastore.fields("Place/a") == {"obj_type": "Place", "title": "c", "untyped": [1, 2]}

    def test_update_and_deletion(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", label="a", raw=[1])
        Place.get_or_raise("a").update(title="c")
        assert datastore.fields("Place/a") == {"obj_type": "Place", "title": "c", "raw": [1]}
        found = Place.get_or_raise("a")
        del found.untyped
        found.save()
        assert datastore.fields("Place/a") == {"obj_type": "Place", "title": "c"}

    def test_in_embedded_models_and_whole_documents(self, datastore: MemoryDatastore) -> None:
        datastore.put("Place/a", obj_type="Place", street={"name": "x", "size": 3})
        found = Place.get_or_raise("a")
        assert found.street.length == 3
        found.save()
        assert datastore.commits == []
        found.save(force=True)
        found.street.name = "y"
        found.save()
        assert (datastore.fields("Place/a") or {})["street"] == {
            "name": "y", "length": 3, "obj_type": "Street",
        }  # fmt: skip
        datastore.put("Place/b", obj_type="Place", label="b")
        other = Place.get_or_raise("b")
        other.delete()
        other.save()
        assert (datastore.fields("Place/b") or {})["title"] == "b"
        assert "label" not in (datastore.fields("Place/b") or {})

    @pytest.mark.parametrize(
        ("was", "of"), [("b", "b"), ("a", "a"), ("doc_id", "the framework"), ("old", "b")]
    )
    def test_a_field_that_is_another_s_is_refused(self, was: str, of: str) -> None:
        body = {"a": attrs.bproperty(was=was), "b": attrs.bproperty(was="old")}
        names = {"a": "b", "b": "a"} if was == "old" else {}
        of = names.get(of, of)
        with pytest.raises(
            DeclarationError, match=f"has was='{was}', but this is the field of {of}"
        ):
            type("Bad", (Model,), body)

    @pytest.mark.parametrize("was", ["", 3, ["x", 3], {"x": "y"}])
    def test_what_is_no_name_is_refused(self, was: Any) -> None:
        with pytest.raises(DeclarationError, match="names no field"):
            type("Bad", (Model,), {"a": attrs.bproperty(was=was)})
        with pytest.raises(DeclarationError, match=r"Meta\.was is .*: expected names of classes"):
            type("Bad", (Model,), {"Meta": type("Meta", (), {"was": was})})
