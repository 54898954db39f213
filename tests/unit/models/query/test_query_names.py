"""A query names attributes; a name that no class has is an error, and never an empty result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.operators import F
from flask_boiler.errors import ConfigurationError, QueryError, ValidationError
from flask_boiler.ground.values import FieldFilter, Order
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.inbox.marks import FieldMark, mark_of
from flask_boiler.view.inbox.queue import key_of
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from tests.unit.memory import memory_context


class Address(Model):
    street: Attr[str]


class City(DomainModel):
    city_name = attrs.bproperty()
    country = attrs.bproperty()
    size: Attr[int] = attrs.bproperty(default=0)
    address = attrs.embed(Address)


class Municipality(City):
    city_state: Attr[str]


class Village(City):
    farms: Attr[int]
    mayor: Attr[str] = attrs.bproperty(data_key="headman")


class Hamlet(Village):
    pass


class Borough(City):
    mayor: Attr[str]


class Person(DomainModel):
    country = attrs.bproperty()


class CountryView(Model):
    country = attrs.bproperty()


class Job(DomainModel):
    state: Attr[str]
    done_at = attrs.timestamp()
    address = attrs.embed(Address)


class SlipStore(Store):
    job = reference(Job)


class Slip(Form):
    store: SlipStore
    weight_kg: Attr[int]

    class Meta:
        form_path = "slips/{id}"
        refusal_path = "refusals/{id}"


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, made = memory_context()
    with context.activated():
        yield made


def where_of(query: Query[Any]) -> Any:
    return query.spec.where


UNKNOWN: dict[str, tuple[Callable[[], object], str]] = {
    "where": (lambda: City.where(contry="USA"), r"'contry'; did you mean 'country'\?"),
    "below": (lambda: City.where(city_stat="CA"), r"did you mean 'city_state'\?"),
    "not above": (lambda: Village.where(city_state="CA"), "Village has no attribute 'city_state'"),
    "a field": (lambda: City.where(cityName="SF"), "is the attribute 'city_name'"),
    "id": (lambda: City.where(doc_ids="SF"), r"did you mean 'doc_id'\?"),
    "order": (lambda: City.all().order_by("-cty_name"), r"'cty_name'; did you mean 'city_name'\?"),
    "order up": (lambda: City.all().order_by("cty_name"), r"did you mean 'city_name'\?"),
    "sum": (lambda: City.all().sum("sizze"), r"did you mean 'size'\?"),
    "avg": (lambda: City.all().avg("sizze"), r"did you mean 'size'\?"),
    "aggregate": (lambda: City.all().aggregate(x=("sum", "sizze")), r"did you mean 'size'\?"),
    "part": (lambda: City.where(**{"address.stret": "x"}), r"'stret'; did you mean 'street'\?"),
    "indexed": (lambda: City.where(City.address["stret"] == "x"), r"did you mean 'street'\?"),
    "how": (lambda: City.where(founded=1), r"F\('founded'\)"),
    "another's": (lambda: City.where(Person.country == "USA"), "an attribute of Person"),
    "a view's": (lambda: City.where(CountryView.country == "USA"), "an attribute of CountryView"),
    "inside": (lambda: City.where(Address.street == "x"), "an attribute of Address"),
    "joined": (
        lambda: City.where((City.size > 1) | (Person.country == "USA")),
        "an attribute of Person",
    ),
    "another's order": (lambda: City.all().order_by(Person.country), "an attribute of Person"),
    "another's sum": (lambda: City.all().sum(Person.country), "an attribute of Person"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_name_that_does_not_exist_is_refused(case: str) -> None:
    ask, said = UNKNOWN[case]
    with pytest.raises(QueryError, match=said):
        ask()


class TestClassesBelow:
    def save(self) -> None:
        City.new("SF", country="USA").save()
        Municipality.new("LA", country="USA", city_state="CA").save()
        Village.new("V", country="USA", farms=3, mayor="x").save()
        Hamlet.new("H", country="USA", farms=5, mayor="y").save()

    def test_their_attributes_narrow_the_result_to_those_who_have_it(self) -> None:
        self.save()
        assert [c.doc_id for c in City.where(city_state="CA")] == ["LA"]
        assert {c.doc_id for c in City.where(country="USA", farms=3)} == {"V"}
        assert [c.doc_id for c in City.all().order_by("-farms")] == ["H", "V"]
        assert City.where(city_state="CA").count() == 1
        assert City.all().order_by("farms").limit(1).count() == 1

    def test_also_from_a_document_that_has_such_a_field_and_is_of_no_such_class(
        self, datastore: MemoryDatastore
    ) -> None:
        self.save()
        datastore.put("City/X", obj_type="City", cityState="CA", farms=1)
        assert [c.doc_id for c in City.where(city_state="CA")] == ["LA"]
        assert [c.doc_id for c in City.all().order_by("farms")] == ["V", "H"]
        assert {c.doc_id for c in City.where(F("cityState") == "CA")} == {"LA", "X"}

    def test_a_sum_of_them_leaves_the_other_aggregations_alone(self) -> None:
        self.save()
        asked = City.all().aggregate(all="count", farms=("sum", "farms"))
        assert asked == {"all": 4, "farms": 8}

    def test_positions_in_their_order_are_theirs(self) -> None:
        self.save()
        ordered = City.all().order_by("farms")
        assert [c.doc_id for c in ordered.start_after(3)] == ["H"]
        with pytest.raises(ValidationError, match="farms: expected int"):
            ordered.start_at("x")

    def test_what_no_class_has_together_is_refused(self) -> None:
        with pytest.raises(QueryError, match="neither City nor a subclass of it has all of"):
            City.where(city_state="CA", farms=3)

    def test_one_name_for_different_fields_is_refused(self) -> None:
        with pytest.raises(QueryError, match=r"in different fields \(headman, mayor\)"):
            City.where(mayor="x")
        assert where_of(Village.where(mayor="x")) == FieldFilter("headman", "==", "x")

    def test_a_narrowed_query_is_another(self) -> None:
        narrowed = City.where(city_state="CA")
        assert narrowed != City.where(F("cityState") == "CA")
        assert narrowed == City.where(city_state="CA")
        assert hash(narrowed) == hash(City.where(city_state="CA"))
        assert narrowed.limit(3).using(None) == City.where(city_state="CA").limit(3)


class TestUndeclaredFields:
    def test_they_are_compared_verbatim(self) -> None:
        assert where_of(City.where(F("some_field") == 1)) == FieldFilter("some_field", "==", 1)
        assert where_of(City.where(F("a.b") > 1)) == FieldFilter("a.b", ">", 1)
        assert where_of(City.where(F("map")["odd name"] == 1)).field == "map.`odd name`"
        assert where_of(City.where(F("odd name") == 1)).field == "`odd name`"
        assert where_of(City.where(F("`a.b`") == 1)).field == "`a.b`"

    def test_they_order_and_are_summed(self, datastore: MemoryDatastore) -> None:
        for n in range(3):
            datastore.put(f"City/{n}", obj_type="City", some_field=n)
        assert [c.doc_id for c in City.all().order_by(F("some_field"), descending=True)] == [
            *("2", "1", "0")
        ]
        assert City.all().order_by(F("some_field")).spec.orders == (Order("some_field"),)
        assert City.all().sum(F("some_field")) == 3
        assert City.all().avg(F("some_field")) == 1

    @pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "`a", "a`b", None, 3])
    def test_what_is_no_path_is_refused(self, path: Any) -> None:
        with pytest.raises(QueryError, match="expected a field's path"):
            F(path)

    def test_the_name_of_a_document_is_its_id(self) -> None:
        with pytest.raises(QueryError, match="doc_id"):
            F("__name__")

    def test_what_cannot_be_stored_is_refused(self) -> None:
        with pytest.raises(QueryError, match=r"F\('x'\): Firestore cannot store <object"):
            City.where(F("x") == object())


class TestValues:
    @pytest.mark.parametrize(
        "value", [("==", "USA"), ("!=", 1), (">=", 3), ("in", ["a"]), ("array_contains", 1)]
    )
    def test_a_comparison_in_a_tuple_is_none(self, value: Any) -> None:
        asks: list[Callable[[], object]] = [
            lambda: City.where(country=value),
            lambda: City.where(F("x") == value),
            lambda: City.where(doc_id=value),
            lambda: City.where(City.country.in_([value])),
        ]
        for ask in asks:
            with pytest.raises(QueryError, match=r"keyword means equality|expected an id"):
                ask()

    def test_other_tuples_are_arrays(self) -> None:
        assert where_of(City.where(country=("a", "b"))).value == ["a", "b"]
        assert where_of(City.where(country=([], "b"))).value == [[], "b"]

    @pytest.mark.parametrize(
        "value", [City.country == "x", City.country, City.all(), {1, 2}, str, object(), iter([])]
    )
    def test_what_no_document_has_is_refused(self, value: Any) -> None:
        with pytest.raises(QueryError, match="country"):
            City.where(country=value)

    def test_none_where_no_document_has_it(self) -> None:
        with pytest.raises(QueryError, match=r"City\.size is never None.*F\('size'\) == None"):
            City.where(size=None)
        assert where_of(City.where(country=None)).value is None
        assert where_of(City.where(F("size") == None)).value is None  # noqa: E711
        assert where_of(City.where(City.size != None)).value is None  # noqa: E711

    def test_a_metadata_field_of_another_type(self) -> None:
        with pytest.raises(QueryError, match="obj_type"):
            City.where(obj_type=object())
        assert where_of(City.where(obj_type="City")) == FieldFilter("obj_type", "==", "City")

    def test_what_is_not_stored_cannot_be_asked_for(self) -> None:
        class Bare(DomainModel):
            name = attrs.bproperty()

            class Meta:
                exclude = "doc_ref"

        with pytest.raises(QueryError, match="does not store 'doc_ref'"):
            Bare.where(doc_ref="x")


class TestTasks:
    def test_a_key_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"key='stte'.*did you mean 'state'\?"):
            QueryTaskMediator(query=Job.all(), on_task=_ignore, key="stte")
        with pytest.raises(ConfigurationError, match=r"did you mean 'weight_kg'\?"):
            QueryTaskMediator(Slip, key="weight")

    def test_a_mark_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'stte'.*did you mean 'state'\?"):
            QueryTaskMediator(query=Job.all(), on_task=_ignore, mark={"stte": "x"})
        with pytest.raises(ConfigurationError, match=r"did you mean 'weight_kg'\?"):
            QueryTaskMediator(Slip, mark={"weight": 1})

    def test_a_mark_that_the_attribute_can_never_have_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="state: expected str"):
            QueryTaskMediator(query=Job.all(), on_task=_ignore, mark={"state": 1})

    def test_attributes_mark_by_their_fields(self) -> None:
        mark = mark_of({"done_at": SERVER_TIMESTAMP, Job.state: "x", F("a.b"): 1}, Job)
        assert isinstance(mark, FieldMark)
        assert mark._fields == {"doneAt": SERVER_TIMESTAMP, "state": "x", "a": {"b": 1}}
        assert mark._mask == ("doneAt", "state", "a.b")

    def test_a_field_in_a_map_marks(self, datastore: MemoryDatastore) -> None:
        mark = mark_of({F("a.b"): 1, F("c.d"): DELETE_FIELD}, Job)
        cases: list[tuple[dict[str, Any], bool]] = [
            ({"a": {"b": 1}}, True),
            ({"a": {"b": 1}, "c": {"d": 1}}, False),
            ({"a": 1}, False),
            ({}, False),
        ]
        for fields, marked in cases:
            datastore.put("Job/j", **fields)
            assert mark.is_marked(datastore.get(["Job/j"])["Job/j"], None) is marked

    def test_keys_are_attributes_or_undeclared_fields(self, datastore: MemoryDatastore) -> None:
        datastore.put("Job/j", doneAt="x", **{"a.b": 3})
        task = datastore.get(["Job/j"])["Job/j"]
        assert key_of("done_at", Job.all()).name(task) == "doneAt='x'"
        assert key_of(F("`a.b`"), Job.all()).name(task) == "`a.b`=3"
        assert key_of(F("doneAt"), None).name(task) == "doneAt='x'"
        assert key_of("doneAt", None).name(task) == "doneAt='x'"
        with pytest.raises(ConfigurationError, match="an attribute of Person"):
            key_of(Person.country, Job.all())


class TestNewAndUpdate:
    def test_a_typed_class_refuses_undeclared_keywords(self) -> None:
        for make in (
            lambda: City.new("SF", ctiy_name="x"),
            lambda: City(ctiy_name="x"),  # type: ignore[call-arg]
            lambda: City.new("SF").update(ctiy_name="x"),
            lambda: Municipality.new("LA", ctiy_name="x"),
        ):
            with pytest.raises(ValidationError, match=r"ctiy_name: .*did you mean 'city_name'\?"):
                make()
        with pytest.raises(ValidationError, match=r"did you mean 'street'\?"):
            Address.new(stret="x")

    def test_nothing_is_assigned_by_a_refused_update(self) -> None:
        city = City.new("SF", city_name="x")
        with pytest.raises(ValidationError):
            city.update(city_name="y", contry="z")
        assert city.city_name == "x"

    def test_in_the_untyped_spelling_they_are_extra(self, datastore: MemoryDatastore) -> None:
        class Plain(DomainModel):
            city_name = attrs.bproperty()
            twin = attrs.relation("Plain")

            @attrs.computed
            def upper(self):  # type: ignore[no-untyped-def]
                return str(self.city_name).upper()

        plain = Plain.new("SF", name="San Francisco", populations=860000)
        plain.save()
        assert plain.extra == {"name": "San Francisco", "populations": 860000}
        plain.update(state="CA")
        assert (datastore.fields("Plain/SF") or {})["state"] == "CA"

    def test_meta_extra_decides_for_itself(self) -> None:
        class Open(DomainModel):
            name: Attr[str]

            class Meta:
                extra = "keep"

        class Closed(DomainModel):
            name = attrs.bproperty()

            class Meta:
                extra = "forbid"

        class StillOpen(Open):
            size: Attr[int] = attrs.bproperty(default=0)

        assert Open.new(nmae="x").extra == {"nmae": "x"}
        assert StillOpen.new(nmae="x").extra == {"nmae": "x"}
        with pytest.raises(ValidationError, match=r"did you mean 'name'\?"):
            Closed.new(nmae="x")

    def test_what_is_stored_is_kept_all_the_same(self, datastore: MemoryDatastore) -> None:
        datastore.put("City/SF", obj_type="City", size=1, foreign=7)
        city = City.get_or_raise("SF")
        assert city.extra == {"foreign": 7}
        city.update(size=2)
        assert (datastore.fields("City/SF") or {})["foreign"] == 7
        assert City.from_dict({"size": 1, "foreign": 7}).extra == {"foreign": 7}


def _ignore(task: Any, transaction: Any) -> None:
    pass
