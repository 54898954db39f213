"""Queries: what they ask, what they refuse, and how parts are joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud.firestore_v1.base_query import FieldFilter as GoogleFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.condition import Condition
from flask_boiler.attrs.operators import F
from flask_boiler.context.context import current_context
from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.query_compiler import describe, target_of, targets_of
from flask_boiler.firestore.query_rules import disjunctions
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import (
    CompositeFilter,
    FieldFilter,
    Order,
    QuerySpec,
    QueryTarget,
    Snapshot,
)
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.parts import parts_of
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.unit.memory import memory_context


class Address(DomainModel):
    street_name: Attr[str]


class Town(DomainModel):
    town_name: Attr[str]
    country: Attr[str | None]
    population: Attr[int] = attrs.bproperty(default=0)
    regions = attrs.bproperty()
    address = attrs.embed(Address)
    score: Attr[float | None]

    class Meta:
        collection_name = "towns"


class Village(Town):
    pass


class Note(DomainModel):
    text: Attr[str]

    class Meta:
        collection_name = "notes"
        extra = "forbid"


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, made = memory_context()
    with context.activated():
        yield made


def save_towns() -> None:
    for number, (country, population) in enumerate(
        [("USA", 50), ("USA", 10), ("FR", 30), ("FR", 20), ("JP", 40)]
    ):
        model = Village if number % 2 else Town
        model.new(
            doc_id=f"t{number}", town_name=f"n{number}", country=country, population=population
        ).save()


def ids(query: Query[Any]) -> list[str]:
    return [model.doc_id for model in query]


def where_of(query: Query[Any]) -> Any:
    return query.spec.where


class TestConditions:
    def test_they_join(self) -> None:
        one, two, three = Town.country == "USA", Town.population > 5, Town.population < 9
        joined = one & two & three
        assert joined.filter == CompositeFilter("and", (one.filter, two.filter, three.filter))
        either = one | two & three
        assert isinstance(either.filter, CompositeFilter)
        assert either.filter.op == "or"
        assert either.filter.filters[0] == one.filter

    @pytest.mark.parametrize(
        "misuse",
        [
            lambda: (Town.population > 5) and (Town.population < 9),
            lambda: 5 < Town.population < 9,
            lambda: not (Town.population > 5),
        ],
    )
    def test_pythons_own_logic_is_refused(self, misuse: Callable[[], object]) -> None:
        with pytest.raises(TypeError, match="Join conditions by & and"):
            misuse()

    def test_other_things_do_not_join(self) -> None:
        with pytest.raises(TypeError):
            _ = (Town.population > 5) & True  # type: ignore[operator]


class TestWhere:
    def test_a_keyword_is_an_attribute_by_its_field(self) -> None:
        assert where_of(Town.where(town_name="x")) == FieldFilter("townName", "==", "x")

    def test_everything_given_has_to_hold(self) -> None:
        query = Town.where(Town.population > 5, country="USA").where(town_name="x")
        assert [part.field for part in where_of(query).filters] == [
            "population",
            "country",
            "townName",
        ]

    def test_it_leaves_the_query_it_was_called_on(self) -> None:
        query = Town.where(country="USA")
        query.where(Town.population > 5).limit(3).order_by("population")
        assert query.spec == Town.where(country="USA").spec
        assert query == Town.where(country="USA")
        assert len({query, Town.where(country="USA"), Town.where(country="FR")}) == 2

    def test_what_the_framework_stores_may_be_asked_for(self) -> None:
        assert where_of(Town.where(obj_type="Town")) == FieldFilter("obj_type", "==", "Town")

    def test_a_name_that_no_class_has_is_refused(self) -> None:
        with pytest.raises(QueryError, match="Note has no attribute 'txt'; did you mean 'text'"):
            Note.where(txt="x")
        with pytest.raises(QueryError, match="Note has no attribute 'tex'"):
            Note.where().order_by("-tex")

    def test_the_id_is_the_name(self) -> None:
        save_towns()
        assert ids(Town.where(doc_id="t2")) == ["t2"]
        assert ids(Town.where().order_by("doc_id").limit(2)) == ["t0", "t1"]

    def test_what_is_no_condition_is_refused(self) -> None:
        with pytest.raises(QueryError, match="got True, which is not a condition"):
            Town.where(True)

    def test_a_value_of_the_wrong_type_is_refused(self) -> None:
        with pytest.raises(QueryError, match=r"Town\.population"):
            Town.where(population="many")

    def test_a_value_that_cannot_be_stored_is_refused(self) -> None:
        query = Town.where(Condition(FieldFilter("some_field", "==", object())))
        with pytest.raises(QueryError, match="some_field cannot be compared with <object"):
            list(query)


def test_firestores_rules() -> None:
    refused: dict[str, Callable[[], object]] = {
        "Firestore takes at most 30": lambda: Town.where(Town.population.in_(range(31))),
        "Firestore takes at most 10": lambda: Town.where(Town.population.not_in(range(11))),
        "takes only one != or not_in": lambda: Town.where(
            Town.population != 1, Town.country != "x"
        ),
        "one not_in with all": lambda: Town.where(Town.population.not_in([1]), Town.country != "x"),
        "beside not_in": lambda: Town.where(Town.population.not_in([1]), Town.country.in_(["x"])),
        "'|' beside not_in": lambda: Town.where(
            Town.population.not_in([1]), (Town.country == "x") | (Town.country == "y")
        ),
        "two array comparisons": lambda: Town.where(
            Town.regions.contains("a"), Town.regions.contains("b")
        ),
        "None and NaN are never": lambda: Town.where(Town.country.in_(["x", None])),
        "only be compared with == and !=": lambda: Town.where(Town.regions.contains(None)),
        "never found by a list": lambda: Town.where(Town.score.in_([math.nan])),
        "score < nan": lambda: Town.where(Condition(FieldFilter("score", "<", math.nan))),
        "36 alternatives": lambda: Town.where(
            Town.population.in_(range(6)), Town.country.in_(["abcdef"] * 6)
        ),
        "31 alternatives": lambda: Town.where(
            Town.population.in_(range(30)) | (Town.country == "x")
        ),
        "compared by inequality": lambda: Town.where(
            *(Condition(FieldFilter(f"f{n}", ">", 1)) for n in range(11))
        ),
        "by population twice": lambda: Town.all().order_by("population", "-population"),
        "can follow the document's name": lambda: Town.all().order_by("doc_id", "population"),
        "limit_to_last needs": lambda: Town.all().limit_to_last(3),
        r"limit\(-1\)": lambda: Town.all().limit(-1),
        r"limit\(True\)": lambda: Town.all().limit(True),
        r"offset\('3'\)": lambda: Town.all().offset("3"),  # type: ignore[arg-type]
        "ordered by nothing": lambda: Town.all().start_at(3),
        "has 2 values": lambda: Town.all().order_by("population").end_at(3, 4),
        "has no value": lambda: Town.all().order_by("population").start_at(),
        "has to come before start_at": lambda: (
            Town.all().order_by("population").start_at(3).order_by("country")
        ),
        "a document's name is not an array": lambda: Town.where(
            Condition(FieldFilter("__name__", "array-contains", "x"))
        ),
        "is not an attribute": lambda: Town.all().order_by(3),
        "needs at least one": lambda: Town.all().aggregate(),
        "is not an aggregation": lambda: Town.all().aggregate(x="median"),  # type: ignore[arg-type]
        "the size of a page": lambda: Town.all().page(0),
        "limit_to_last has no pages": lambda: (
            Town.all().order_by("population").limit_to_last(3).page(2)
        ),
        "expected an id, a path": lambda: Town.where(doc_id=3).get(),
        "does not name a document": lambda: Town.where(doc_id="a/b/c").get(),
        "3 is not a document": lambda: Town.all().below(3),
        "'users'": lambda: Town.all().below("users"),
    }
    for expected, build in refused.items():
        with pytest.raises(QueryError, match=expected):
            build()


@pytest.mark.parametrize(
    ("build", "operators"),
    [
        (lambda: Town.where(Town.population.in_(range(30))), ["IN"]),
        (
            lambda: Town.where(Town.population.not_in(range(10)), Town.country == "x"),
            ["NOT_IN", "EQUAL"],
        ),
        (
            lambda: Town.where((Town.regions.contains("a")) | (Town.regions.contains("b"))),
            ["ARRAY_CONTAINS", "ARRAY_CONTAINS"],
        ),
        (
            lambda: Town.where(Town.population != 1, Town.country.in_(["x", "y"])),
            ["NOT_EQUAL", "IN"],
        ),
        (
            lambda: Town.where(
                Town.population.in_(range(5)), Town.regions.contains_any(list("abcdef"))
            ),
            ["IN", "ARRAY_CONTAINS_ANY"],
        ),
    ],
)
def test_what_the_rules_allow_is_asked(
    build: Callable[[], Query[Town]], operators: list[str]
) -> None:
    (target,) = build().targets(current_context().decoder)
    where = protocol.StructuredQuery.FromString(target.structured).where
    filters = where.composite_filter.filters if where.HasField("composite_filter") else [where]
    kinds = protocol.StructuredQuery.FieldFilter.Operator
    assert [kinds.Name(each.field_filter.op) for each in filters] == operators


class TestCompiling:
    def compiled(self, query: Query[Any]) -> Any:
        (target,) = query.targets(current_context().decoder)
        return protocol.StructuredQuery.FromString(target.structured)

    def test_none_and_nan_become_unary(self) -> None:
        unary = protocol.StructuredQuery.UnaryFilter
        for condition, operator in [
            (Condition(FieldFilter("text", "==", None)), unary.IS_NULL),
            (Condition(FieldFilter("text", "!=", None)), unary.IS_NOT_NULL),
            (Condition(FieldFilter("text", "==", math.nan)), unary.IS_NAN),
            (Condition(FieldFilter("text", "!=", math.nan)), unary.IS_NOT_NAN),
        ]:
            where = self.compiled(Note.where(condition)).where
            assert where.unary_filter.op == operator

    def test_a_list_of_lists_may_be_asked_for(self) -> None:
        where = self.compiled(Note.where(Condition(FieldFilter("x", "in", [[1], [2]])))).where
        assert len(where.field_filter.value.array_value.values) == 2

    def test_equal_queries_have_equal_targets(self) -> None:
        codec = current_context().decoder
        one = Town.where(country="USA").order_by("-population").limit(3)
        other = Town.where(Town.country == "USA").order_by(Town.population, descending=True)
        assert one.targets(codec) == other.limit(3).targets(codec)
        assert hash(one.targets(codec)[0]) == hash(other.limit(3).targets(codec)[0])
        assert one.targets(codec) != one.limit(4).targets(codec)

    def test_a_query_says_what_it_is(self) -> None:
        query = Town.where((Town.country == "USA") | Town.population.in_(range(9)))
        query = query.order_by("-population").start_at(3).offset(1).limit(2)
        assert repr(query) == (
            "<Query Town: towns where country == 'USA' or population in [0, ... 9 values] "
            "order by -population in a range offset 1 limit 2>"
        )
        assert describe(QuerySpec("notes", "users/u", all_descendants=True)) == (
            "every notes below users/u"
        )


class TestReading:
    def test_it_streams_models_of_their_own_class(self) -> None:
        save_towns()
        assert ids(Town.where(country="USA")) == ["t0", "t1"]
        assert [type(town) for town in Town.where(country="USA")] == [Town, Village]
        assert ids(Village.all()) == ["t1", "t3"]

    def test_order_limit_offset(self) -> None:
        save_towns()
        by_population = Town.all().order_by("population")
        assert ids(by_population) == ["t1", "t3", "t2", "t4", "t0"]
        assert ids(by_population.limit(2)) == ["t1", "t3"]
        assert ids(by_population.limit_to_last(2)) == ["t4", "t0"]
        assert ids(by_population.offset(1).limit(2)) == ["t3", "t2"]
        assert ids(by_population.limit(0)) == []

    def test_cursors(self) -> None:
        save_towns()
        by_population = Town.all().order_by("population")
        assert ids(by_population.start_at(30)) == ["t2", "t4", "t0"]
        assert ids(by_population.start_after(30)) == ["t4", "t0"]
        assert ids(by_population.end_at(30)) == ["t1", "t3", "t2"]
        assert ids(by_population.end_before(30)) == ["t1", "t3"]
        assert ids(by_population.start_at(20).end_before(40)) == ["t3", "t2"]
        assert ids(by_population.start_at(20).end_before(40).limit_to_last(1)) == ["t2"]
        assert ids(by_population.start_after(20).limit_to_last(1)) == ["t0"]

    def test_a_document_is_a_cursor(self, datastore: MemoryDatastore) -> None:
        save_towns()
        town = Town.get("t2")
        assert town is not None
        assert ids(Town.all().order_by("population").start_after(town)) == ["t4", "t0"]
        assert ids(Town.where(Town.population > 10).start_at(town)) == ["t2", "t4", "t0"]
        snapshot = datastore.get(["towns/t2"])["towns/t2"]
        assert ids(Town.all().order_by("-country").end_before(snapshot)) == ["t1", "t0", "t4", "t3"]
        assert ids(Town.all().start_after(snapshot)) == ["t3", "t4"]

    def test_a_document_without_the_field_is_no_cursor(self, datastore: MemoryDatastore) -> None:
        datastore.put("towns/bare", obj_type="Town")
        bare = datastore.get(["towns/bare"])["towns/bare"]
        with pytest.raises(QueryError, match="has no value for country"):
            Town.all().order_by("country").start_at(bare)

    def test_first_reads_one(self, datastore: MemoryDatastore) -> None:
        save_towns()
        first = Town.all().order_by("-population").first()
        assert first is not None
        assert first.doc_id == "t0"
        structured = protocol.StructuredQuery.FromString(datastore.queries[-1].structured)
        assert structured.limit.value == 1
        assert Town.where(country="??").first() is None
        last = Town.all().order_by("population").limit_to_last(2).first()
        assert last is not None
        assert last.doc_id == "t4"

    def test_nothing_is_read_before_it_is_looked_at(self, datastore: MemoryDatastore) -> None:
        Town.where(country="USA").order_by("population").limit(3)
        assert datastore.queries == []

    def test_an_embedded_field(self, datastore: MemoryDatastore) -> None:
        datastore.put("towns/a", obj_type="Town", address={"streetName": "Main"})
        datastore.put("towns/b", obj_type="Town", address={"streetName": "Side"})
        assert ids(Town.where(Town.address["street_name"] == "Main")) == ["a"]
        assert ids(Town.all().order_by("-address.street_name")) == ["b", "a"]

    def test_sub_collections_and_groups(self, datastore: MemoryDatastore) -> None:
        datastore.put("users/u1/notes/a", obj_type="Note", text="x")
        datastore.put("users/u2/notes/b", obj_type="Note", text="y")
        datastore.put("users/u2/notes/b/notes/d", obj_type="Note", text="w")
        datastore.put("notes/c", obj_type="Note", text="z")
        assert ids(Note.all()) == ["c"]
        assert ids(Note.all().below("users/u1")) == ["a"]
        assert ids(Note.all().below(datastore.codec.reference("users/u2"))) == ["b"]
        assert sorted(ids(Note.all().collection_group())) == ["a", "b", "c", "d"]
        assert ids(Note.all().below("users/u2").collection_group()) == ["b", "d"]
        group = Note.all().collection_group()
        assert ids(group.below("users/u2")) == ["b"]
        assert ids(group.where(doc_id="users/u1/notes/a")) == ["a"]
        with pytest.raises(QueryError, match="give the whole path"):
            ids(group.where(doc_id="a"))

    def test_a_query_may_be_made_from_a_spec(self, datastore: MemoryDatastore) -> None:
        save_towns()
        assert ids(Query(Town, QuerySpec("towns", orders=(Order("population"),)).but(limit=1))) == [
            "t1"
        ]
        datastore.put("users/u1/towns/a", obj_type="Town")
        assert ids(Query(Town, QuerySpec("towns", parent="users/u1"))) == ["a"]


class HoldsNothing:
    """A live cut that has to listen first."""

    fetches = False

    def documents(self, paths: Any) -> Any:
        raise Incomplete(paths)

    def query(self, target: QueryTarget) -> Any:
        raise Incomplete([target])


class Holds(HoldsNothing):
    """A live cut that holds whatever is stored."""

    def __init__(self, datastore: MemoryDatastore) -> None:
        self._datastore = datastore
        self.asked: list[QueryTarget] = []

    def query(self, target: QueryTarget) -> list[Snapshot]:
        self.asked.append(target)
        return list(self._datastore.run_query(target))


class TestReaders:
    def test_the_reader_in_force_is_asked(self, datastore: MemoryDatastore) -> None:
        save_towns()
        reader = Holds(datastore)
        with reading_through(reader):
            assert ids(Town.where(country="USA")) == ["t0", "t1"]
        assert reader.asked == Town.where(country="USA").targets(datastore.codec)

    def test_all_that_is_missing_is_told_at_once(
        self, datastore: MemoryDatastore, family: type[DomainModel]
    ) -> None:
        with reading_through(HoldsNothing()), pytest.raises(Incomplete) as caught:
            list(family.all())
        assert caught.value.missing == frozenset(family.all().targets(datastore.codec))
        assert len(caught.value.missing) == 3

    def test_a_reader_that_cannot_aggregate_reads(self, datastore: MemoryDatastore) -> None:
        save_towns()
        reader = Holds(datastore)
        with reading_through(reader):
            assert Town.all().count() == 5
            assert Town.all().sum("population") == 150
        assert len(reader.asked) == 2


@pytest.fixture(scope="module")
def family() -> type[DomainModel]:
    """A model with 69 classes below it, in a collection that others use too."""

    class Being(DomainModel):
        class Meta:
            collection_name = "members"

    class Member(Being):
        rank: Attr[int]
        weight = attrs.bproperty()

    kept = [type(f"Member{number}", (Member,), {"__module__": __name__}) for number in range(69)]
    Member._kept = kept  # type: ignore[attr-defined]
    return Member


def save_family(datastore: MemoryDatastore, size: int = 140) -> None:
    for number in range(size):
        type_name = "Member" if number % 70 == 69 else f"Member{number % 70}"
        rank = number * 37 % size
        datastore.put(
            f"members/m{number:03}", obj_type=type_name, rank=rank, weight=rank / 4, even=rank % 2
        )
    datastore.put("members/stranger", obj_type="Stranger", rank=-1, weight=1)


class TestManyClasses:
    def test_each_part_is_something_firestore_takes(self, family: type[DomainModel]) -> None:
        names = family.type_names()
        assert len(names or ()) == 70
        wide = Condition(FieldFilter("rank", "in", list(range(4))))
        query = family.where(wide | Condition(FieldFilter("even", "==", 1)))
        parts = parts_of(query.spec, names)
        assert len(parts) == 12
        assert all(disjunctions(part.where) <= 30 for part in parts)
        assert sorted(_types_in(parts)) == sorted(names or ())

    def test_beside_not_in_each_class_is_asked_alone(self, family: type[DomainModel]) -> None:
        query = family.where(Condition(FieldFilter("rank", "not-in", [1, 2])))
        parts = parts_of(query.spec, family.type_names())
        assert len(parts) == 70
        assert all(disjunctions(part.where) == 1 for part in parts)

    def test_the_joined_answer_is_in_order(
        self, family: type[DomainModel], datastore: MemoryDatastore
    ) -> None:
        save_family(datastore)
        ranks = [member.rank for member in family.all().order_by("-rank")]  # type: ignore[attr-defined]
        assert ranks == list(range(139, -1, -1))
        assert ids(family.all()) == [f"m{number:03}" for number in range(140)]
        assert len(datastore.queries) == 6
        assert len(datastore.begun) == 2, "all parts of an answer are of one time"

    @pytest.mark.parametrize(
        ("narrow", "expected"),
        [
            (lambda q: q.limit(5), range(5)),
            (lambda q: q.offset(7).limit(5), range(7, 12)),
            (lambda q: q.offset(135), range(135, 140)),
            (lambda q: q.limit_to_last(5), range(135, 140)),
            (lambda q: q.offset(2).limit_to_last(5), range(133, 138)),
            (lambda q: q.start_at(100).limit(3), range(100, 103)),
            (lambda q: q.start_after(10).end_before(14), range(11, 14)),
            (lambda q: q.end_at(9).limit_to_last(2), range(8, 10)),
            (lambda q: q.limit(0), range(0)),
        ],
    )
    def test_ranges(
        self,
        family: type[DomainModel],
        datastore: MemoryDatastore,
        narrow: Callable[[Query[Any]], Query[Any]],
        expected: range,
    ) -> None:
        save_family(datastore)
        query = narrow(family.all().order_by("rank"))
        assert [member.rank for member in query] == list(expected)
        assert query.count() == len(expected)
        assert query.sum("rank") == sum(expected)

    def test_aggregations_are_joined_exactly(
        self, family: type[DomainModel], datastore: MemoryDatastore
    ) -> None:
        save_family(datastore)
        datastore.put("members/text", obj_type="Member", rank=1000, weight="heavy")
        answer = family.all().aggregate(
            n="count", total=("sum", "rank"), mean=("avg", "weight"), weight=("sum", "weight")
        )
        assert answer == {
            "n": 141,
            "total": sum(range(140)) + 1000,
            "mean": sum(range(140)) / 4 / 140,
            "weight": sum(range(140)) / 4,
        }
        assert len(datastore.begun) == 1

    def test_an_average_of_nothing(
        self, family: type[DomainModel], datastore: MemoryDatastore
    ) -> None:
        assert family.all().avg("weight") is None
        assert family.all().sum("weight") == 0
        datastore.put("members/a", obj_type="Member", weight=math.nan)
        assert math.isnan(family.all().avg("weight") or 0)

    def test_no_class_at_all_finds_nothing(self, datastore: MemoryDatastore) -> None:
        query = Query(_ThingsOfNoType, QuerySpec("things"))
        assert list(query) == []
        assert (query.count(), query.sum(F("x")), query.avg(F("x"))) == (0, 0, None)
        assert datastore.queries == []

    def test_pages(self, family: type[DomainModel], datastore: MemoryDatastore) -> None:
        save_family(datastore)
        pages = list(family.all().order_by("-rank").pages(50))
        assert [len(page.results) for page in pages] == [50, 50, 40]
        assert [m.to_dict()["rank"] for page in pages for m in page.results] == list(
            range(139, -1, -1)
        )


def _types_in(parts: list[QuerySpec]) -> Iterator[str]:
    for part in parts:
        where = part.where
        assert isinstance(where, CompositeFilter)
        (types,) = (
            leaf
            for leaf in where.filters
            if isinstance(leaf, FieldFilter) and leaf.field == "obj_type"
        )
        yield from [types.value] if types.op == "==" else types.value


class TestAggregations:
    def test_counts_sums_and_averages(self) -> None:
        save_towns()
        assert Town.where(country="USA").count() == 2
        assert Town.all().sum(Town.population) == 150
        assert Town.where(country="FR").avg("population") == 25
        assert Town.where(country="??").avg("population") is None
        assert Village.all().aggregate(n="count", people=("sum", Town.population)) == {
            "n": 2,
            "people": 30,
        }

    def test_more_than_one_request_takes(self, datastore: MemoryDatastore) -> None:
        save_towns()
        asked: dict[str, Any] = {f"a{n}": ("sum", "population") for n in range(7)}
        assert Town.all().aggregate(**asked, mean=("avg", "population")) == {
            **dict.fromkeys(asked, 150),
            "mean": 30,
        }
        assert len(datastore.begun) == 1, "both requests are of one time"


class TestPages:
    def test_they_follow_each_other(self) -> None:
        save_towns()
        query = Town.all().order_by("-population")
        first = query.page(2)
        assert [town.doc_id for town in first.results] == ["t0", "t4"]
        second = query.page(2, first.next_page_token)
        assert [town.doc_id for town in second.results] == ["t2", "t3"]
        third = query.page(2, second.next_page_token)
        assert [town.doc_id for town in third.results] == ["t1"]
        assert third.next_page_token is None

    def test_no_page_is_empty_but_the_only_one(self) -> None:
        assert [page.results for page in Town.all().pages(3)] == [[]]
        save_towns()
        assert [len(page.results) for page in Town.all().pages(5)] == [5]
        assert [len(page.results) for page in Town.where(country="FR").pages(1)] == [1, 1]

    def test_ties_are_neither_lost_nor_repeated(self, datastore: MemoryDatastore) -> None:
        for number in range(9):
            datastore.put(f"towns/t{number}", obj_type="Town", country="USA", population=number % 2)
        query = Town.where(Town.population < 2).order_by("country")
        pages = [town.doc_id for page in query.pages(2) for town in page.results]
        assert pages == ["t0", "t2", "t4", "t6", "t8", "t1", "t3", "t5", "t7"]

    def test_a_document_that_comes_in_between_shifts_nothing(
        self, datastore: MemoryDatastore
    ) -> None:
        save_towns()
        query = Town.all().order_by("population")
        first = query.page(2)
        datastore.put("towns/t9", obj_type="Town", population=1)
        datastore.drop("towns/t3")
        second = query.page(2, first.next_page_token)
        assert [town.doc_id for town in second.results] == ["t2", "t4"]

    def test_limit_and_offset_hold_for_all_pages_together(self) -> None:
        save_towns()
        query = Town.all().order_by("population").offset(1).limit(3)
        pages = list(query.pages(2))
        assert [[t.doc_id for t in page.results] for page in pages] == [["t3", "t2"], ["t4"]]
        assert [len(page.results) for page in Town.all().limit(2).pages(2)] == [2]
        assert [len(page.results) for page in Town.all().limit(0).pages(2)] == [0]

    def test_a_range_holds_for_all_pages(self) -> None:
        save_towns()
        query = Town.all().order_by("population").start_after(10).end_before(50)
        assert [t.doc_id for p in query.pages(1) for t in p.results] == ["t3", "t2", "t4"]

    def test_a_token_is_for_its_query_alone(self) -> None:
        save_towns()
        query = Town.all().order_by("population")
        token = query.page(2).next_page_token
        assert token is not None
        for other in (
            query.where(country="USA"),
            Town.all().order_by("-population"),
            query.limit(4),
            Note.all(),
        ):
            with pytest.raises(QueryError, match="is not a page token of this query"):
                other.page(2, token)

    def test_a_token_that_was_tampered_with_is_refused(self) -> None:
        save_towns()
        query = Town.all().order_by("population")
        token = query.page(2).next_page_token or ""
        for position in range(len(token)):
            changed = token[:position] + ("A" if token[position] != "A" else "B")
            changed += token[position + 1 :]
            if position == len(token) - 1:
                continue  # the last character may carry bits that mean nothing
            with pytest.raises(QueryError):
                query.page(2, changed)

    @pytest.mark.parametrize("token", ["", "x", "%%%", "é", "AAAA" * 9, 3])
    def test_what_is_no_token_is_refused(self, token: Any) -> None:
        with pytest.raises(QueryError, match="is not a page token"):
            Town.all().page(2, token)

    def test_a_token_does_not_show_the_project(self) -> None:
        import base64

        save_towns()
        token = Town.all().page(2).next_page_token or ""
        shown = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert b"memory" not in shown


class TestGooglesQueries:
    @pytest.fixture
    def client(self) -> Any:
        return current_context().decoder._client

    def test_a_query(self, client: Any) -> None:
        codec = current_context().decoder
        google = client.collection("towns").where(filter=USA).limit(3)
        target = target_of(google, codec)
        structured = protocol.StructuredQuery.FromString(target.structured)
        assert structured.where.field_filter.field.field_path == "country"
        assert (structured.limit.value, target.parent) == (3, "")
        assert target == target_of(client.collection("towns").where(filter=USA).limit(3), codec)

    def test_a_collection_and_a_group(self, client: Any) -> None:
        codec = current_context().decoder
        target = target_of(client.collection("users/u1/notes"), codec)
        assert target.parent == "users/u1"
        group = target_of(client.collection_group("notes"), codec)
        assert protocol.StructuredQuery.FromString(group.structured).from_[0].all_descendants
        assert targets_of(client.collection_group("notes"), codec) == [group]

    def test_limit_to_last_is_turned_around(self, client: Any) -> None:
        google = client.collection("towns").order_by("population").start_at([5]).limit_to_last(2)
        target = target_of(google, current_context().decoder)
        structured = protocol.StructuredQuery.FromString(target.structured)
        assert target.limit_to_last
        assert structured.order_by[0].direction == protocol.StructuredQuery.DESCENDING
        assert not structured.HasField("start_at")
        assert not structured.end_at.before, "the 5 itself still belongs to the range"
        same = Town.all().order_by("population").start_at(5).limit_to_last(2)
        (ours,) = same.targets(current_context().decoder)
        turned = protocol.StructuredQuery.FromString(ours.structured)
        assert (turned.order_by, turned.end_at) == (structured.order_by, structured.end_at)

    def test_what_cannot_be_listened_to_is_refused(self, client: Any) -> None:
        codec = current_context().decoder
        with pytest.raises(QueryError, match="AggregationQuery cannot be listened to"):
            target_of(client.collection("towns").count(), codec)
        with pytest.raises(QueryError, match="'towns' is not a query"):
            targets_of("towns", codec)

    def test_another_database_is_refused(self) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import firestore

        other = firestore.Client(project="other", credentials=AnonymousCredentials())
        with pytest.raises(QueryError, match="is of another database"):
            target_of(other.collection("towns"), current_context().decoder)


USA = GoogleFilter("country", "==", "USA")

NUMBERS = st.one_of(
    st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False, width=16), st.none()
)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 34), NUMBERS), max_size=30),
    descending=st.booleans(),
    limit=st.one_of(st.none(), st.integers(0, 12)),
    offset=st.integers(0, 5),
    last=st.booleans(),
)
def test_parts_joined_are_the_whole(
    values: list[tuple[int, Any]],
    descending: bool,
    limit: int | None,
    offset: int,
    last: bool,
) -> None:
    """35 classes in parts give what one query without their names gives."""
    context, datastore = memory_context()
    for number, (kind, value) in enumerate(values):
        datastore.put(f"things/{number}", obj_type=f"T{kind}", value=value)
    spec = QuerySpec("things", orders=(Order("value", descending),), offset=offset)
    if limit is not None:
        spec = spec.but(limit=limit, limit_to_last=last)
    with context.activated():
        whole = Query(_Things, spec)
        parted = Query(_ThingsOfTypes, spec)
        assert [s.path for s in parted] == [s.path for s in whole]  # type: ignore[attr-defined]
        asked: dict[str, Any] = {
            "n": "count",
            "sum": ("sum", F("value")),
            "avg": ("avg", F("value")),
        }
        ours, theirs = parted.aggregate(**asked), whole.aggregate(**asked)
        assert ours["n"] == theirs["n"]
        for name in ("sum", "avg"):
            assert ours[name] == pytest.approx(theirs[name], nan_ok=True)


class _Things:
    """The least that a query needs of a model."""

    @staticmethod
    def attributes() -> dict[str, Any]:
        return {}

    @staticmethod
    def meta(name: str) -> str:
        return "keep"

    @staticmethod
    def type_names() -> list[str] | None:
        return None

    @staticmethod
    def from_snapshot(snapshot: Snapshot) -> Snapshot:
        return snapshot


class _ThingsOfTypes(_Things):
    @staticmethod
    def type_names() -> list[str] | None:
        return [f"T{number}" for number in range(35)]


class _ThingsOfNoType(_Things):
    @staticmethod
    def type_names() -> list[str] | None:
        return []
