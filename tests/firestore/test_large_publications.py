"""Publications at the limits of a commit, on a real Firestore."""

from __future__ import annotations

from flask_boiler import CTX, Boiler, QueryMediator, ViewModel, attrs
from flask_boiler.testing import Settle
from tests.firestore.cities import City, CityStore


class Bulk(ViewModel):
    """A text of as many bytes as the population says, at as many places as the motto says."""

    store: CityStore

    @attrs.computed
    def text(self) -> str:
        size: int = self.store.city.population  # type: ignore[union-attr]
        return "x" * size

    @property
    def doc_refs(self) -> list[str]:
        city = self.store.city
        assert city is not None
        return [f"bulk/{city.doc_id}-{number}" for number in range(int(city.motto))]


def test_a_view_of_more_than_a_commit_parks_alone(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryMediator(Bulk, query=City.get_query()))
    City.new("huge", population=1_000_000, motto=12).save()
    for number in range(5):
        City.new(f"c{number}", population=1_000_000, motto=3).save()
    City.new("many", population=1, motto=700).save()
    boiler.start()
    settle()
    assert [parked.key.subject for parked in boiler.parked] == ["cities/huge"]
    stored = {snapshot.id for snapshot in CTX.db.collection("bulk").select([]).stream()}
    assert len(stored) == 5 * 3 + 700
    assert not any(name.startswith("huge") for name in stored)
