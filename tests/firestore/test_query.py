"""Queries on a real Firestore: the answers, the rules, and many classes at once."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler import CTX, Attr, Boiler, Condition, DomainModel, Query, attrs, current_context
from flask_boiler.errors import QueryError
from flask_boiler.firestore import query_compiler as compiler
from flask_boiler.firestore.query_compiler import compile_query, target_of
from flask_boiler.firestore.query_rules import disjunctions
from flask_boiler.ground.values import CompositeFilter, FieldFilter, Filter, Order, QuerySpec, Write
from flask_boiler.models.query.parts import parts_of

pytestmark = pytest.mark.usefixtures("boiler")


class Place(DomainModel):
    place_name: Attr[str]
    country: Attr[str | None]
    population: Attr[int] = attrs.bproperty(default=0)
    regions = attrs.bproperty()
    founded: Attr[datetime.datetime | None]

    class Meta:
        collection_name = "places"


class Harbour(Place):
    pass


def save_places() -> None:
    for number, (country, population, regions) in enumerate(
        [
            ("USA", 50, ["west", "coast"]),
            ("USA", 10, ["east"]),
            ("FR", 30, ["coast"]),
            ("FR", 20, []),
            (None, 40, ["west"]),
        ]
    ):
        model = Harbour if number % 2 else Place
        model.new(
            doc_id=f"p{number}",
            place_name=f"n{number}",
            country=country,
            population=population,
            regions=regions,
            founded=datetime.datetime(1900 + number, 1, 1, tzinfo=datetime.UTC),
        ).save()


def ids(query: Query[Any]) -> list[str]:
    return [model.doc_id for model in query]


QUERIES: dict[str, tuple[Callable[[], Query[Any]], list[str]]] = {
    "all": (Place.all, ["p0", "p1", "p2", "p3", "p4"]),
    "keyword": (lambda: Place.where(country="USA"), ["p0", "p1"]),
    "none": (lambda: Place.where(country=None), ["p4"]),
    "not none": (lambda: Place.where(Place.country != None), ["p2", "p3", "p0", "p1"]),  # noqa: E711
    "not equal": (lambda: Place.where(Place.country != "FR"), ["p0", "p1"]),
    "range": (lambda: Place.where(Place.population > 20), ["p2", "p4", "p0"]),
    "two ranges": (
        lambda: Place.where(Place.population > 10, Place.place_name < "n4"),
        ["p0", "p2", "p3"],
    ),
    "in": (lambda: Place.where(Place.population.in_([10, 40, 99])), ["p1", "p4"]),
    "not in": (lambda: Place.where(Place.population.not_in([10, 40])), ["p3", "p2", "p0"]),
    "contains": (lambda: Place.where(Place.regions.contains("coast")), ["p0", "p2"]),
    "contains any": (
        lambda: Place.where(Place.regions.contains_any(["east", "west"])),
        ["p0", "p1", "p4"],
    ),
    "and, or": (
        lambda: Place.where(
            (Place.country == "FR") & (Place.population < 30) | (Place.population == 50)
        ),
        ["p3", "p0"],
    ),
    "subclass": (lambda: Harbour.where(Place.population < 100), ["p1", "p3"]),
    "subclass beside not in": (lambda: Harbour.where(Place.population.not_in([10])), ["p3"]),
    "time": (
        lambda: Place.where(Place.founded >= datetime.datetime(1903, 1, 1, tzinfo=datetime.UTC)),
        ["p3", "p4"],
    ),
    "id": (lambda: Place.where(doc_id="p3"), ["p3"]),
    "order": (lambda: Place.all().order_by("-population"), ["p0", "p4", "p2", "p3", "p1"]),
    "two orders": (
        lambda: Place.all().order_by("country").order_by(Place.population, descending=True),
        ["p4", "p2", "p3", "p0", "p1"],
    ),
    "limit": (lambda: Place.all().order_by("population").limit(2), ["p1", "p3"]),
    "limit to last": (lambda: Place.all().order_by("population").limit_to_last(2), ["p4", "p0"]),
    "last before": (
        lambda: Place.all().order_by("population").end_before(50).limit_to_last(2),
        ["p2", "p4"],
    ),
    "last from": (
        lambda: Place.all().order_by("population").start_at(40).limit_to_last(9),
        ["p4", "p0"],
    ),
    "offset": (lambda: Place.all().order_by("population").offset(3), ["p4", "p0"]),
    "start at": (lambda: Place.all().order_by("population").start_at(30), ["p2", "p4", "p0"]),
    "start after": (lambda: Place.all().order_by("population").start_after(30), ["p4", "p0"]),
    "end at": (lambda: Place.all().order_by("-population").end_at(30), ["p0", "p4", "p2"]),
    "end before": (lambda: Place.all().order_by("-population").end_before(30), ["p0", "p4"]),
    "after a document": (
        lambda: Place.where(Place.population > 10).start_after(Place.get_or_raise("p2")),
        ["p4", "p0"],
    ),
    "after an id": (lambda: Place.all().order_by("doc_id").start_after("p2"), ["p3", "p4"]),
}


def test_answers() -> None:
    save_places()
    assert {name: ids(build()) for name, (build, _) in QUERIES.items()} == {
        name: expected for name, (_, expected) in QUERIES.items()
    }
    counted = {name: build().count() for name, (build, _) in QUERIES.items()}
    assert counted == {name: len(expected) for name, (_, expected) in QUERIES.items()}
    assert [type(place).__name__ for place in Place.all()] == [
        *("Place", "Harbour", "Place", "Harbour", "Place")
    ]


def test_aggregations() -> None:
    save_places()
    assert Place.all().aggregate(
        n="count",
        total=("sum", Place.population),
        mean=("avg", "population"),
        nothing=("sum", "country"),
        no_mean=("avg", "country"),
        again="count",
    ) == {"n": 5, "total": 150, "mean": 30.0, "nothing": 0, "no_mean": None, "again": 5}
    assert Harbour.all().sum("population") == 30
    # A document that lacks what is added up counts all the same.
    CTX.db.document("places/bare").set({"obj_type": "Place"})
    assert Place.all().aggregate(n="count", total=("sum", "population")) == {"n": 6, "total": 150}
    assert Place.where(country="??").avg("population") is None


def test_sub_collections_and_groups() -> None:
    datastore = current_context().datastore
    for path in ("users/u1/places/a", "users/u2/places/b", "places/c"):
        datastore.commit([Write("set", path, {"obj_type": "Place", "population": 1})])
    assert ids(Place.all()) == ["c"]
    assert ids(Place.all().below("users/u1")) == ["a"]
    group = Place.all().collection_group()
    assert ids(group) == ["c", "a", "b"]
    assert ids(group.below("users/u2")) == ["b"]
    assert ids(group.where(doc_id="users/u2/places/b")) == ["b"]
    pages = [place.doc_id for page in group.pages(1) for place in page.results]
    assert pages == ["c", "a", "b"]


def test_pages_of_mixed_values() -> None:
    datastore = current_context().datastore
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
    values: list[Any] = [
        None,
        False,
        math.nan,
        -1,
        0.5,
        1,
        2**53 + 1,
        moment,
        "a",
        "z",
        b"\0\xff",
        [1, "x"],
    ]
    values += [{"k": 1}, {"k": 1}, datastore.codec.reference("places/x")]
    for number, value in enumerate(values):
        fields = {"obj_type": "Place", "mixed": value}
        datastore.commit([Write("set", f"places/{number:02}", fields)])
    for descending in (False, True):
        query = Place.all().order_by(attrs.F("mixed"), descending=descending)
        assert [p.doc_id for page in query.pages(1) for p in page.results] == ids(query)
        assert len(ids(query)) == len(values)


def _all_of(*parts: Filter) -> Filter:
    return CompositeFilter("and", parts)


def _any_of(*parts: Filter) -> Filter:
    return CompositeFilter("or", parts)


F = FieldFilter
REFUSED: list[QuerySpec] = [
    *(
        QuerySpec("places", where=where)
        for where in (
            F("a", "in", list(range(31))),
            F("a", "in", []),
            F("a", "not-in", list(range(11))),
            F("a", "array-contains-any", list(range(31))),
            F("a", "array-contains-any", []),
            _all_of(F("a", "!=", 1), F("b", "!=", 1)),
            _all_of(F("a", "!=", 1), F("b", "!=", None)),
            _any_of(F("a", "!=", 1), F("b", "!=", 1)),
            _all_of(F("a", "not-in", [1]), F("b", "!=", 1)),
            _all_of(F("a", "not-in", [1]), F("b", "in", [1])),
            _all_of(F("a", "not-in", [1]), F("b", "array-contains-any", [1])),
            _all_of(F("a", "not-in", [1]), _any_of(F("b", "==", 1), F("c", "==", 1))),
            _all_of(F("a", "array-contains", 1), F("b", "array-contains", 1)),
            _all_of(F("a", "array-contains", 1), F("b", "array-contains-any", [1])),
            _all_of(F("a", "in", list(range(6))), F("b", "in", list(range(6)))),
            _any_of(*(F("a", "==", n) for n in range(31))),
            _all_of(*(F(f"f{n}", ">", 1) for n in range(11))),
            F("__name__", "array-contains", "x"),
        )
    ),
    QuerySpec("places", orders=(Order("a"), Order("a", True))),
    QuerySpec("places", orders=(Order("__name__"), Order("a"))),
    QuerySpec("places", limit=-1),
    QuerySpec("places", offset=-1),
]


@pytest.mark.parametrize("spec", REFUSED, ids=compiler.describe)
def test_what_is_refused_here_is_refused_there(
    spec: QuerySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastore = current_context().datastore
    with pytest.raises(QueryError):
        compile_query(spec, datastore.codec)
    monkeypatch.setattr(compiler, "check", lambda spec: spec)
    with pytest.raises(QueryError, match="INVALID_ARGUMENT"):
        list(datastore.run_query(compile_query(spec, datastore.codec)))


@pytest.mark.parametrize(
    "where",
    [
        F("a", "in", list(range(30))),
        F("a", "not-in", list(range(10))),
        _all_of(F("a", "not-in", [1]), F("b", "<", 1)),
        _all_of(F("a", "not-in", [1]), F("b", "array-contains", 1)),
        _all_of(F("a", "!=", 1), F("b", "in", [1, 2]), F("c", "<", 1)),
        _any_of(F("a", "array-contains", 1), F("b", "array-contains", 1)),
        _all_of(F("a", "in", list(range(5))), F("b", "array-contains-any", list(range(6)))),
        _all_of(*(F(f"f{n}", ">", 1) for n in range(10))),
        F("a", "in", [[1], [2, 3]]),
        F("a", "==", math.nan),
    ],
    ids=lambda where: compiler.describe(QuerySpec("places", where=where)),
)
def test_what_is_allowed_here_is_allowed_there(where: Filter) -> None:
    datastore = current_context().datastore
    target = compile_query(QuerySpec("places", where=where), datastore.codec)
    assert list(datastore.run_query(target)) == []


def _family(size: int) -> type[DomainModel]:
    """A model that, with the classes below it, has so many, in a collection of many more."""

    class Beast(DomainModel):
        class Meta:
            collection_name = f"beasts{size}"
            obj_type = f"Beast{size}"

    class Insect(Beast):
        rank: Attr[int]
        weight = attrs.bproperty()

        class Meta:
            obj_type = f"Insect{size}"

    Insect._kept = [  # type: ignore[attr-defined]
        type(f"Insect{size}_{number}", (Insect,), {"__module__": __name__})
        for number in range(size - 1)
    ]
    return Insect


@pytest.fixture(scope="module", params=[35, 70])
def insects(request: pytest.FixtureRequest) -> type[DomainModel]:
    return _family(request.param)


@pytest.fixture
def saved(boiler: Boiler, insects: type[DomainModel]) -> Iterator[type[DomainModel]]:
    names = insects.type_names() or []
    collection = insects.collection_path()
    writes = [
        Write(
            "set",
            f"{collection}/i{number:03}",
            {
                "obj_type": names[number % len(names)],
                "rank": number * 37 % 200,
                "weight": "heavy" if number == 0 else number / 4,
                "odd": number % 2,
            },
        )
        for number in range(200)
    ]
    writes.append(Write("set", f"{collection}/other", {"obj_type": "Stranger", "rank": -1}))
    boiler.context.datastore.commit(writes)
    yield insects


class TestManyClasses:
    """More than the 30 alternatives that a query may have."""

    def test_each_query_has_at_most_30_alternatives(self, insects: type[DomainModel]) -> None:
        names = insects.type_names() or []
        assert len(names) in (35, 70)
        for narrowed in (
            insects.all(),
            insects.where(Condition(F("rank", "in", [1, 2, 3, 4]))),
            insects.where(Condition(F("rank", "in", list(range(30))))),
            insects.where(Condition(F("rank", "not-in", [1, 2]))),
            insects.where(Condition(_any_of(*(F("rank", "==", n) for n in range(16))))),
        ):
            parts = parts_of(narrowed.spec, names)
            assert all(disjunctions(part.where) <= 30 for part in parts)
            assert sum(_types_of(part) for part in parts) == len(names)
            assert list(narrowed) == []

    def test_order_limit_and_offset(self, saved: type[DomainModel]) -> None:
        by_rank = saved.all().order_by("-rank")
        assert _ranks(by_rank) == list(range(199, -1, -1))
        assert _ranks(by_rank.limit(40)) == list(range(199, 159, -1))
        assert _ranks(by_rank.offset(30).limit(3)) == [169, 168, 167]
        assert _ranks(by_rank.limit_to_last(3)) == [2, 1, 0]
        assert _ranks(by_rank.offset(2).limit_to_last(3)) == [4, 3, 2]
        assert ids(saved.all()) == [f"i{number:03}" for number in range(200)]

    def test_the_callers_own_alternatives(self, saved: type[DomainModel]) -> None:
        chosen = saved.where(Condition(F("rank", "in", list(range(0, 60, 3)))))
        assert _ranks(chosen.order_by("rank")) == list(range(0, 60, 3))
        either = Condition(F("rank", "<", 5)) | Condition(F("rank", ">", 195))
        assert _ranks(saved.where(either)) == [0, 1, 2, 3, 4, 196, 197, 198, 199]
        others = saved.where(Condition(F("odd", "==", 1)), Condition(F("rank", "not-in", [1, 3])))
        assert len(_ranks(others)) == 98

    def test_ranges_and_pages(self, saved: type[DomainModel]) -> None:
        by_rank = saved.all().order_by("rank")
        assert _ranks(by_rank.start_at(50).end_before(53)) == [50, 51, 52]
        assert _ranks(by_rank.start_after(50).limit_to_last(2)) == [198, 199]
        pages = list(by_rank.pages(70))
        assert [len(page.results) for page in pages] == [70, 70, 60]
        shown = [place.to_dict()["rank"] for page in pages for place in page.results]
        assert shown == list(range(200))

    def test_aggregations(self, saved: type[DomainModel]) -> None:
        assert saved.all().aggregate(
            n="count", rank=("sum", "rank"), weight=("sum", "weight"), mean=("avg", "weight")
        ) == {
            "n": 200,
            "rank": sum(range(200)),
            "weight": sum(range(200)) / 4,
            "mean": sum(range(200)) / 4 / 199,
        }
        first = saved.all().order_by("rank").limit(50)
        assert (first.count(), first.sum("rank"), first.avg("rank")) == (50, 1225, 24.5)

    def test_one_query_is_enough_for_a_class_without_others_below(
        self, saved: type[DomainModel]
    ) -> None:
        one: Any = saved._kept[3]  # type: ignore[attr-defined]
        assert len(one.all().targets(current_context().decoder)) == 1
        assert {type(insect) for insect in one.all()} == {one}


def _types_of(part: QuerySpec) -> int:
    leaves = part.where.filters if isinstance(part.where, CompositeFilter) else (part.where,)
    (types,) = (f for f in leaves if isinstance(f, FieldFilter) and f.field == "obj_type")
    return 1 if types.op == "==" else len(types.value)


def _ranks(query: Query[Any]) -> list[int]:
    return [model.rank for model in query]


def test_googles_queries_give_the_same(boiler: Boiler) -> None:
    save_places()
    google = boiler.context.db.collection("places").order_by("population")
    datastore = boiler.context.datastore
    for query in (
        google,
        google.limit(2),
        google.start_at([20]).end_at([40]),
        google.order_by("place_name"),
        boiler.context.db.collection("places"),
        boiler.context.db.collection_group("places"),
    ):
        found = [s.id for s in datastore.run_query(target_of(query, datastore.codec))]
        assert found == [s.id for s in query.get()]
    last = google.end_before([50]).limit_to_last(2)
    found = [s.id for s in datastore.run_query(target_of(last, datastore.codec))]
    assert found == ["p2", "p4"]
