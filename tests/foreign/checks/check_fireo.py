"""What FireO's documentation shows: models, queries, cursors, transactions, batches."""

# Annotations are read by TypedModel, so they are not put off.
from datetime import UTC, datetime
from typing import Any

import fireo
import pytest
from fireo.database import db
from fireo.fields import (
    BooleanField,
    DateTime,
    GeoPoint,
    IDField,
    ListField,
    MapField,
    NestedModel,
    NumberField,
    ReferenceField,
    TextField,
)
from fireo.models import Model
from fireo.typedmodels import TypedModel
from google.api_core.exceptions import Aborted
from google.cloud import firestore


class Country(Model):
    name = TextField()


class Mayor(Model):
    name = TextField(required=True)


class City(Model):
    short_name = IDField()
    name = TextField()
    population = NumberField()
    capital = BooleanField(default=False)
    founded = DateTime()
    place = GeoPoint()
    languages = ListField()
    facts = MapField()
    mayor = NestedModel(Mayor)
    country = ReferenceField(Country)


class Review(Model):
    stars = NumberField()


class Visitor(TypedModel):
    name: str
    age: int


@pytest.fixture(autouse=True)
def _emptied() -> None:
    for collection in db.conn.collections():
        db.conn.recursive_delete(collection)


def _cities(*populations: int) -> list[City]:
    return [
        City.collection.create(short_name=f"c{number}", name=f"City {number}", population=number)
        for number in populations
    ]


def _names(found: Any) -> list[str]:
    return [city.short_name for city in found]


def test_every_field_comes_back() -> None:
    country = Country.collection.create(name="Japan")
    city = City(short_name="tokyo", name="東京", population=13_929_286, capital=True)
    city.founded = datetime(1457, 1, 1, 12, 30, tzinfo=UTC)
    city.place = fireo.GeoPoint(latitude=35.68, longitude=139.69)
    city.languages = ["ja", "en"]
    city.facts = {"wards": 23, "deep": {"list": [1, None, True]}}
    city.mayor = Mayor(name="Yuriko")
    city.country = country
    city.save()
    found = City.collection.get(city.key)
    assert (found.name, found.population, found.capital) == ("東京", 13_929_286, True)
    assert found.founded == datetime(1457, 1, 1, 12, 30, tzinfo=UTC)
    assert (found.place.latitude, found.place.longitude) == (35.68, 139.69)
    assert found.languages == ["ja", "en"]
    assert found.facts == {"wards": 23, "deep": {"list": [1, None, True]}}
    assert found.mayor.name == "Yuriko"
    assert found.country.name == "Japan"
    assert found.get_firestore_create_time is not None


def test_a_typed_model_comes_back() -> None:
    visitor = Visitor(name="Ada", age=36)
    visitor.save()
    found = Visitor.collection.get(visitor.key)
    assert (found.name, found.age) == ("Ada", 36)


def test_what_does_not_exist_is_none() -> None:
    assert City.collection.get("city/none") is None


def test_an_update_leaves_what_it_does_not_name() -> None:
    (city,) = _cities(1)
    city.population = 5
    city.update()
    again = City()
    again.name = "Renamed"
    again.update(key=city.key)
    found = City.collection.get(city.key)
    assert (found.name, found.population) == ("Renamed", 5)


def test_transforms() -> None:
    city = City.collection.create(short_name="a", population=1, languages=["ja"])
    city.population = fireo.Increment(4)
    city.languages = fireo.ListUnion(["en", "ja"])
    city.update()
    found = City.collection.get(city.key)
    assert (found.population, found.languages) == (5, ["ja", "en"])
    found.languages = fireo.ListRemove(["ja"])
    found.update()
    assert City.collection.get(city.key).languages == ["en"]


def test_merging_keeps_other_fields() -> None:
    _cities(1)
    City.from_dict({"short_name": "c1", "population": 9}).save(merge=True)
    found = City.collection.get("city/c1")
    assert (found.name, found.population) == ("City 1", 9)


def test_queries() -> None:
    _cities(1, 2, 3, 4)
    collection = City.collection
    assert _names(collection.filter("population", ">", 2).fetch()) == ["c3", "c4"]
    assert _names(collection.filter(population=2).fetch()) == ["c2"]
    assert _names(collection.filter("population", "in", [1, 4]).order("population").fetch()) == [
        "c1",
        "c4",
    ]
    assert _names(collection.order("-population").fetch(2)) == ["c4", "c3"]
    assert _names(collection.order("population").offset(1).limit(2).fetch()) == ["c2", "c3"]
    between = collection.filter("population", ">=", 2).filter("population", "<", 4)
    assert _names(between.fetch()) == ["c2", "c3"]
    assert collection.filter("population", "==", 3).get().short_name == "c3"
    assert collection.filter("population", ">", 1).count() == 3


def test_queries_of_lists_and_maps() -> None:
    City.collection.create(short_name="a", languages=["ja", "en"], facts={"wards": 23})
    City.collection.create(short_name="b", languages=["fr"], facts={"wards": 20})
    collection = City.collection
    assert _names(collection.filter("languages", "array_contains", "en").fetch()) == ["a"]
    either = collection.filter("languages", "array_contains_any", ["en", "fr"])
    assert _names(either.fetch()) == ["a", "b"]
    assert _names(collection.filter("facts.wards", "<", 21).fetch()) == ["b"]


def test_bounds() -> None:
    first, second, *_ = _cities(1, 2, 3, 4)
    ordered = City.collection.order("population")
    assert _names(ordered.start_after(key=second.key).fetch()) == ["c3", "c4"]
    assert _names(ordered.start_at(population=3).fetch()) == ["c3", "c4"]
    assert _names(ordered.end_before(population=3).fetch()) == ["c1", "c2"]
    assert _names(ordered.end_at(key=first.key).fetch()) == ["c1"]


def test_a_cursor_goes_on_in_another_request() -> None:
    _cities(1, 2, 3, 4, 5)
    page = City.collection.order("population").fetch(2)
    assert _names(page) == ["c1", "c2"]
    following = City.collection.cursor(page.cursor).fetch(2)
    assert _names(following) == ["c3", "c4"]


def test_subcollections_and_their_group() -> None:
    first, second = _cities(1, 2)
    for city, stars in ((first, 5), (first, 2), (second, 5)):
        review = Review(parent=city.key)
        review.stars = stars
        review.save()
    assert len(list(Review.collection.parent(first.key).fetch())) == 2
    best = list(Review.collection.filter(stars=5).group_fetch())
    assert {review.parent for review in best} == {first.key, second.key}
    assert first.list_subcollections() == ["review"]


def test_documents_are_deleted() -> None:
    first, second, third = _cities(1, 2, 3)
    review = Review(parent=first.key)
    review.stars = 1
    review.save()
    City.collection.delete(first.key, child=True)
    assert list(Review.collection.group_fetch()) == []
    City.collection.delete_all([second.key])
    assert _names(City.collection.fetch()) == ["c3"]
    City.collection.filter(population=3).delete()
    assert City.collection.get(third.key) is None


def test_documents_are_read_together() -> None:
    first, second = _cities(1, 2)
    found = City.collection.get_all([first.key, second.key])
    assert sorted(_names(found)) == ["c1", "c2"]


def test_a_batch_is_done_as_a_whole() -> None:
    (first,) = _cities(1)
    batch = fireo.batch()
    City.collection.create(short_name="new", population=7, batch=batch)
    first.population = 8
    first.update(batch=batch)
    assert City.collection.get("city/new") is None
    batch.commit()
    assert City.collection.get("city/new").population == 7
    assert City.collection.get(first.key).population == 8


def test_a_transaction_whose_reading_is_stale_is_tried_again() -> None:
    (city,) = _cities(1)
    seen: list[int] = []

    @fireo.transactional
    def grow(transaction: firestore.Transaction) -> None:
        found = City.collection.get(city.key, transaction)
        seen.append(found.population)
        if len(seen) == 1:
            db.conn.document(city.key).update({"population": 10})
        found.population += 1
        found.update(transaction=transaction)

    try:
        grow(fireo.transaction())
    except Aborted:
        pytest.fail("it was not tried again")
    assert seen == [1, 10]
    assert City.collection.get(city.key).population == 11
