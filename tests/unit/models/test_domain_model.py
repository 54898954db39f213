"""What loading and saving reads and writes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP, ArrayUnion, Increment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    ConflictError,
    DeclarationError,
    DocumentNotFoundError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.firestore.native import same_value
from flask_boiler.ground.values import Precondition, QuerySpec
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions.running import transaction


class Place(Model):
    street: Attr[str]


class City(DomainModel):
    city_name = attrs.bproperty()
    population: Attr[int] = attrs.bproperty(default=0)
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    place = attrs.embed(Place)
    mayor = attrs.relation("Mayor")
    ratio: Attr[float | None] = attrs.bproperty()

    class Meta:
        extra = "keep"


class Town(City):
    pass


class Mayor(DomainModel):
    pass


class Form(DomainModel):
    wish = attrs.bproperty()

    class Meta:
        collection_name = "forms"
        parent = Mayor


def stored_city(memory: MemoryDatastore, **fields: Any) -> City:
    memory.put("City/SF", **{"obj_type": "City", "cityName": "SF", "population": 1, **fields})
    return City.get_or_raise("SF")


class TestIdentity:
    def test_an_id_or_a_path(self, memory: MemoryDatastore) -> None:
        assert City.new("SF").doc_path == "City/SF"
        assert City.new(doc_id="SF").doc_id == "SF"
        assert City(doc_id="SF").doc_ref == memory.codec.reference("City/SF")
        assert City.new(doc_ref="a/b/c/d").doc_path == "a/b/c/d"
        assert City.new(doc_ref=memory.codec.reference("a/b")).doc_path == "a/b"

    def test_a_random_id(self) -> None:
        ids = {City.new().doc_id for _ in range(100)}
        assert len(ids) == 100
        assert {len(doc_id) for doc_id in ids} == {20}

    @pytest.mark.parametrize("doc_id", ["", "a/b", ".", "..", "__x__", "x" * 1501, 3])
    def test_an_impossible_id(self, doc_id: Any) -> None:
        with pytest.raises(ValidationError, match="City: doc_id"):
            City.new(doc_id)

    def test_ids_that_contradict(self) -> None:
        with pytest.raises(ValueError, match="different documents"):
            City.new("a", doc_ref="City/b")
        with pytest.raises(ValueError, match="does not name a document"):
            City.new(doc_ref="City")
        with pytest.raises(ValueError, match="no document of City is named"):
            City.get()

    def test_it_is_fixed(self) -> None:
        with pytest.raises(AttributeError, match="cannot change"):
            City.new("SF").doc_id = "LA"


class TestReading:
    def test_a_document(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, other=1)
        assert (city.city_name, city.population, city.extra) == ("SF", 1, {"other": 1})
        assert (city.doc_id, city.doc_path) == ("SF", "City/SF")

    def test_a_missing_document(self, memory: MemoryDatastore) -> None:
        assert City.get("SF") is None
        with pytest.raises(DocumentNotFoundError, match="City/SF"):
            City.get_or_raise("SF")
        with pytest.raises(DocumentNotFoundError, match="City/SF"):
            City.from_snapshot(memory.get(["City/SF"])["City/SF"])

    def test_the_class_comes_from_the_document(self, memory: MemoryDatastore) -> None:
        memory.put("City/T", obj_type="Town")
        memory.put("City/plain")
        assert type(City.get("T")) is Town
        assert type(Town.get("plain")) is Town
        memory.put("City/C", obj_type="City")
        with pytest.raises(UnknownModelError, match=r"City/C has the obj_type 'City'.*Town"):
            Town.get("C")

    def test_a_foreign_value_fails_where_it_is_read(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, population="many")
        assert city.city_name == "SF"
        with pytest.raises(ValidationError, match=r"City/SF: population: expected int"):
            _ = city.population

    def test_google_s_own_snapshot(self, memory: MemoryDatastore) -> None:
        from google.api_core.datetime_helpers import DatetimeWithNanoseconds
        from google.cloud.firestore import DocumentSnapshot

        updated = DatetimeWithNanoseconds(2024, 1, 1, nanosecond=5, tzinfo=datetime.UTC)
        reference = memory.codec.reference("City/SF")
        there = DocumentSnapshot(reference, {"cityName": "x"}, True, None, None, updated)
        city = City.from_snapshot(there)
        assert (city.city_name, city.doc_path) == ("x", "City/SF")
        assert city._model_state.update_time_ns == 1_704_067_200_000_000_005
        with pytest.raises(DocumentNotFoundError):
            City.from_snapshot(DocumentSnapshot(reference, None, False, None, None, None))


class TestSavingANewOne:
    def test_all_of_it_is_written(self, memory: MemoryDatastore) -> None:
        City.new("SF", city_name="SF", place=Place(street="Main"), other=1).save()
        assert memory.fields("City/SF") == {
            "cityName": "SF",
            "population": 0,
            "tags": [],
            "ratio": None,
            "place": {"street": "Main", "obj_type": "Place"},
            "other": 1,
            "obj_type": "City",
            "doc_id": "SF",
            "doc_ref": "City/SF",
        }

    def test_it_replaces_what_is_there(self, memory: MemoryDatastore) -> None:
        memory.put("City/SF", old=1)
        City.new("SF").save()
        assert "old" not in memory.fields("City/SF")

    def test_unless_it_has_to_be_the_first(self, memory: MemoryDatastore) -> None:
        City.new("SF").save(create=True)
        with pytest.raises(ConflictError, match="City/SF"):
            City.new("SF").save(create=True)
        assert len(memory.commits) == 1

    def test_what_is_invalid_is_not_written(self, memory: MemoryDatastore) -> None:
        with pytest.raises(ValidationError, match=r"City/SF: population: expected int"):
            City.new("SF", population="x").save()
        assert memory.commits == []

    def test_afterwards_only_changes_are_written(self, memory: MemoryDatastore) -> None:
        city = City.new("SF", city_name="SF")
        city.save()
        city.save()
        assert len(memory.commits) == 1
        city.tags.append("x")
        city.save()
        assert memory.writes[1].mask == ("tags",)
        assert memory.fields("City/SF")["tags"] == ["x"]


class TestSavingALoadedOne:
    def test_only_what_changed_is_written_if_nobody_else_wrote(
        self, memory: MemoryDatastore
    ) -> None:
        city = stored_city(memory, other=1)
        time_ns = memory.documents["City/SF"].update_time_ns
        city.city_name = "Frisco"
        city.save()
        (write,) = memory.writes
        assert (write.kind, write.fields, write.mask) == (
            "update",
            {"cityName": "Frisco"},
            ("cityName",),
        )
        assert write.precondition == Precondition(update_time_ns=time_ns)
        assert memory.fields("City/SF")["other"] == 1

    def test_nothing_changed_writes_nothing(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, place={"street": "Main"}, tags=["a"], ratio=1, deep={"a": [1]})
        for name in City.attributes():
            getattr(city, name)
        _ = city.extra
        city.population = 1
        city.tags = ["a"]
        city.save()
        assert memory.commits == []

    def test_a_default_that_was_read_is_not_written(self, memory: MemoryDatastore) -> None:
        memory.put("City/SF")
        city = City.get_or_raise("SF")
        assert (city.population, city.tags) == (0, [])
        city.save()
        assert memory.commits == []
        city.tags.append("x")
        city.save()
        assert memory.fields("City/SF") == {"tags": ["x"]}

    def test_a_default_that_is_assigned_is(self, memory: MemoryDatastore) -> None:
        memory.put("City/SF")
        city = City.get_or_raise("SF")
        assert city.population == 0
        city.population = 0
        city.save()
        assert memory.fields("City/SF") == {"population": 0}

    def test_changes_in_place_are_seen(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, place={"street": "Main"}, tags=["a"], deep={"a": [1]})
        city.tags.append("b")
        city.place.street = "Side"
        city.extra["deep"]["a"].append(2)
        city.extra["new"] = 1
        city.save()
        assert set(memory.writes[0].mask) == {"tags", "place", "deep", "new"}
        assert memory.fields("City/SF")["deep"] == {"a": [1, 2]}
        assert memory.fields("City/SF")["place"]["street"] == "Side"

    def test_deleted_fields_are_deleted(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, other=1, ratio=0.5)
        del city.city_name
        city.ratio = DELETE_FIELD  # type: ignore[assignment]
        del city.extra["other"]
        city.save()
        assert memory.fields("City/SF") == {"obj_type": "City", "population": 1}
        assert (city.city_name, city.ratio, city.extra) == (None, None, {})

    def test_a_deleted_field_is_deleted_whatever_it_was(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, cityName="unset")
        del city.city_name
        city.save()
        assert "cityName" not in memory.fields("City/SF")

    def test_another_spelling_of_the_same_value_is_no_change(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, place={"street": "Main"})
        city.place = Place(street="Main")
        city.save()
        assert memory.commits == []

    def test_1_and_true_and_1_0_are_different(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, cityName=1)
        city.city_name = True
        city.save()
        assert memory.fields("City/SF")["cityName"] is True

    def test_somebody_else_s_change_is_a_conflict(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        memory.put("City/SF", cityName="theirs", other=1)
        city.population = 5
        with pytest.raises(ConflictError, match="City/SF"):
            city.save()
        assert memory.fields("City/SF") == {"cityName": "theirs", "other": 1}
        city.save(force=True)
        assert memory.fields("City/SF") == {"cityName": "theirs", "other": 1, "population": 5}

    def test_the_next_save_knows_of_the_last(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        for population in (2, 3):
            city.population = population
            city.save()
        assert memory.fields("City/SF")["population"] == 3

    def test_a_foreign_value_elsewhere_does_not_hinder(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, population="many")
        city.city_name = "x"
        city.save()
        assert memory.fields("City/SF")["population"] == "many"
        city.population = 3
        city.save()
        assert memory.fields("City/SF")["population"] == 3

    def test_computed_attributes_are_stored_as_they_are_now(self, memory: MemoryDatastore) -> None:
        class Doubled(DomainModel):
            n = attrs.bproperty(default=1)

            @attrs.computed
            def twice(self) -> int:
                return int(self.n) * 2

        memory.put("Doubled/d", n=1, twice=2)
        doubled = Doubled.get_or_raise("d")
        doubled.save()
        assert memory.commits == []
        doubled.n = 4
        doubled.save()
        assert memory.fields("Doubled/d") == {"n": 4, "twice": 8}

    def test_what_is_never_exported_is_never_written(self, memory: MemoryDatastore) -> None:
        class User(DomainModel):
            password = attrs.bproperty(export_enabled=False)

        user = User.new("u", password="x")
        user.save()
        assert "password" not in memory.fields("User/u")
        user.password = "y"
        user.save()
        user.update(password="z")
        assert len(memory.commits) == 1


class TestServerValues:
    def test_they_are_read_again_when_looked_at(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, other=1)
        city.population = Increment(5)  # type: ignore[assignment]
        city.city_name = "x"
        city.save()
        assert memory.reads == ["City/SF"]
        assert city.city_name == "x"
        assert memory.reads == ["City/SF"]
        assert city.population == 6
        assert memory.reads == ["City/SF"] * 2
        city.save()
        assert len(memory.commits) == 1

    def test_unsaved_changes_survive_that(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, tags=["a"], other=1, more=1)
        city.update(population=Increment(1))
        city.tags.append("b")
        city.city_name = "mine"
        city.extra["other"] = 2
        del city.extra["more"]
        memory.put("City/SF", population=7, cityName="theirs", tags=["c"], ratio=0.5, new=1)
        assert city.population == 7
        assert (city.tags, city.city_name, city.ratio) == (["a", "b"], "mine", 0.5)
        assert city.extra == {"other": 2, "new": 1}
        city.save()
        assert memory.fields("City/SF") == {
            **{"population": 7, "cityName": "mine", "tags": ["a", "b"], "ratio": 0.5},
            **{"other": 2, "new": 1},
        }

    def test_a_document_that_went_meanwhile(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        city.update(population=Increment(1))
        memory.drop("City/SF")
        with pytest.raises(DocumentNotFoundError, match="City/SF"):
            _ = city.population

    def test_undeclared_ones_too(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, visits=1)
        city.update(visits=Increment(1))
        assert city.extra == {"visits": 2}

    def test_assigning_again_before_looking(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        city.update(population=Increment(1))
        city.population = 1
        city.save()
        assert memory.fields("City/SF")["population"] == 1

    def test_a_new_one_can_have_them(self, memory: MemoryDatastore) -> None:
        city = City.new("SF", population=Increment(3))
        city.save()
        assert city.population == 3

    def test_they_are_no_values_to_convert(self, memory: MemoryDatastore) -> None:
        city = City.new("SF", tags=ArrayUnion(["a"]), ratio=SERVER_TIMESTAMP)
        assert city.to_dict()["ratio"] is SERVER_TIMESTAMP


class TestUpdate:
    def test_only_these_fields_are_written(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        city.city_name = "unsaved"
        city.update(population=5, other=1)
        assert memory.writes[0].fields == {"population": 5, "other": 1}
        assert city.city_name == "unsaved"
        city.save()
        assert memory.fields("City/SF") == {
            "obj_type": "City", "cityName": "unsaved", "population": 5, "other": 1,
        }  # fmt: skip

    def test_they_are_written_even_if_they_are_the_same(self, memory: MemoryDatastore) -> None:
        stored_city(memory).update(population=1)
        assert memory.writes[0].fields == {"population": 1}

    def test_a_conflict(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        memory.put("City/SF")
        with pytest.raises(ConflictError):
            city.update(population=1)
        city.update(force=True, population=1)
        assert memory.fields("City/SF") == {"population": 1}

    def test_without_having_read_it(self, memory: MemoryDatastore) -> None:
        memory.put("City/SF", cityName="SF", other=1)
        city = City.new("SF", tags=["mine"])
        city.update(population=3)
        assert memory.fields("City/SF") == {"cityName": "SF", "other": 1, "population": 3}
        assert memory.reads == []
        assert (city.population, city.city_name, city.tags) == (3, "SF", ["mine"])
        assert city.extra == {"other": 1}
        city.save()
        assert memory.writes[1].fields == {"tags": ["mine"]}

    def test_of_a_missing_document(self, memory: MemoryDatastore) -> None:
        with pytest.raises(DocumentNotFoundError):
            City.new("SF").update(population=3)

    def test_an_unknown_field_of_a_strict_model(self, memory: MemoryDatastore) -> None:
        class Strict(DomainModel):
            first_name = attrs.bproperty()

            class Meta:
                extra = "forbid"

        with pytest.raises(ValidationError, match="did you mean 'first_name'"):
            Strict.new("s").update(first_nam="x")

    def test_nothing_at_all(self, memory: MemoryDatastore) -> None:
        stored_city(memory).update()
        assert memory.commits == []


class TestDelete:
    def test_it_is_gone_and_can_be_made_anew(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory, other=1)
        city.delete()
        city.delete()
        assert memory.documents == {}
        city.save(create=True)
        assert memory.fields("City/SF")["cityName"] == "SF"
        assert memory.fields("City/SF")["other"] == 1


class TestTransactions:
    def test_nothing_is_written_before_the_end(self, memory: MemoryDatastore) -> None:
        with transaction():
            city = City.get_or_raise("SF") if "City/SF" in memory.documents else City.new("SF")
            city.save()
            assert memory.commits == []
        assert len(memory.commits) == 1

    def test_several_saves_build_on_each_other(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        with transaction():
            city.population = 2
            city.city_name = "x"
            city.save()
            city.population = 1
            city.extra["other"] = 1
            city.save()
            city.save()
        assert memory.fields("City/SF") == {
            "obj_type": "City", "cityName": "x", "population": 1, "other": 1,
        }  # fmt: skip
        city.population = 9
        city.save()
        assert memory.fields("City/SF")["population"] == 9

    def test_what_the_server_computes_is_asked_for_once(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        with transaction():
            city.population = Increment(5)  # type: ignore[assignment]
            city.save()
            city.city_name = "x"
            city.save()
        assert memory.fields("City/SF")["population"] == 6
        assert city.population == 6

    def test_a_new_one_is_saved_twice(self, memory: MemoryDatastore) -> None:
        with transaction():
            city = City.new("SF", city_name="a")
            city.save(create=True)
            city.city_name = "b"
            city.save()
        assert memory.fields("City/SF")["cityName"] == "b"

    def test_a_deleted_one_is_saved_again(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        with transaction():
            city.delete()
            city.save()
        assert memory.fields("City/SF")["doc_ref"] == "City/SF"

    def test_after_a_failure_the_object_is_as_before(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        city.population = 5
        with pytest.raises(RuntimeError), transaction():
            city.save()
            raise RuntimeError
        assert memory.commits == []
        city.save()
        assert memory.fields("City/SF")["population"] == 5

    def test_it_can_be_handed_over(self, memory: MemoryDatastore) -> None:
        city = stored_city(memory)
        with transaction() as tx:
            mine = City.get_or_raise("SF", transaction=tx)
            mine.population = 3
            mine.save(transaction=tx)
        assert memory.fields("City/SF")["population"] == 3
        city.population = 4
        with pytest.raises(ConflictError):
            city.save()


class TestSubCollections:
    def test_a_document_below_another(self, memory: MemoryDatastore) -> None:
        mayor = Mayor.new("m")
        for parent in (mayor, "m", "Mayor/m", memory.codec.reference("Mayor/m")):
            form = Form.new("f", parent=parent, wish="x")
            assert form.doc_path == "Mayor/m/forms/f"
        assert Form.collection_path(mayor) == "Mayor/m/forms"
        form.save()
        assert Form.get_or_raise("f", parent="m").wish == "x"
        assert Form.get_or_raise(doc_ref="Mayor/m/forms/f").extra == {}

    def test_its_parent_is_needed(self) -> None:
        for ask in (lambda: Form.new("f"), lambda: Form.get("f"), Form.collection_path):
            with pytest.raises(ValueError, match="are below those of Mayor: give the parent"):
                ask()

    def test_queries(self) -> None:
        assert Form.get_query(parent="m").spec == QuerySpec("forms", "Mayor/m")
        assert Form.get_query().spec == QuerySpec("forms", all_descendants=True)
        assert City.get_query(parent="a/b").spec == QuerySpec("City", "a/b")

    def test_a_parent_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="not a document"):
            City.collection_path(Place(street="x"))
        with pytest.raises(ValueError, match="does not name"):
            City.collection_path("a")

        with pytest.raises(DeclarationError, match="not a model with a collection"):

            class Lost(DomainModel):
                class Meta:
                    parent = Place

    def test_a_model_may_have_an_attribute_called_parent(self) -> None:
        class Category(DomainModel):
            parent = attrs.bproperty()

        assert Category.new("x", parent="y").parent == "y"
        with pytest.raises(DeclarationError, match="parent_ = attrs"):
            type("Below", (Form,), {"parent": attrs.bproperty()})


class TestFromDict:
    def test_its_place(self) -> None:
        assert City.from_dict({"doc_ref": "City/a", "doc_id": "a"}).doc_path == "City/a"
        assert City.from_dict({"doc_id": "a"}).doc_path == "City/a"
        assert City.from_dict({"doc_id": "a"}, doc_id="b").doc_path == "City/b"
        assert len(City.from_dict({}).doc_id) == 20

    def test_it_is_new(self, memory: MemoryDatastore) -> None:
        city = City.from_dict({"cityName": "x", "other": {"a": 1}}, doc_id="SF")
        city.save(create=True)
        assert memory.fields("City/SF")["cityName"] == "x"
        assert memory.fields("City/SF")["other"] == {"a": 1}

    def test_it_shares_nothing_with_the_dict(self) -> None:
        fields: dict[str, Any] = {"other": {"a": [1]}}
        city = City.from_dict(fields)
        fields["other"]["a"].append(2)
        assert city.extra == {"other": {"a": [1]}}


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=2)
stored_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner.filter(lambda v: not isinstance(v, list)), max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
documents = st.dictionaries(
    st.sampled_from(["cityName", "other", "population", "ratio", "tags", "place"]),
    stored_values,
    max_size=5,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(before=documents, name=stored_values, extra=stored_values)
def test_any_document_survives_and_gets_exactly_what_was_set(
    memory: MemoryDatastore, before: dict[str, Any], name: Any, extra: Any
) -> None:
    memory.put("City/SF", **before)
    city = City.get_or_raise("SF")
    for attribute in City.attributes():
        try:
            getattr(city, attribute)
        except ValidationError:
            continue
    _ = city.extra
    commits = len(memory.commits)
    city.save()
    assert len(memory.commits) == commits
    city.city_name, city.extra["other"] = name, extra
    city.save()
    assert same_value(memory.fields("City/SF"), {**before, "cityName": name, "other": extra})
