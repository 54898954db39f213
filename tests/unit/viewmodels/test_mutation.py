"""Mutations: what they refuse, what they write, and what they do when they lose."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    ConfigurationError,
    ConflictError,
    DocumentNotFoundError,
    RefusedError,
    ValidationError,
)
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.transactions.running import transaction
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Mayor(DomainModel):
    full_name = attrs.bproperty()


class City(DomainModel):
    city_name = attrs.bproperty()
    population: Attr[int] = attrs.bproperty(default=0)
    motto = attrs.bproperty()
    mayor = attrs.relation(Mayor)


class CityStore(Store):
    city = reference(City)
    mayor = reference(Mayor, source=lambda store: store.city.mayor)


class CityView(ViewModel):
    store: CityStore

    name: Attr[str] = attrs.bproperty()
    population: Attr[int] = attrs.bproperty()
    mayor_name = attrs.bproperty()
    mayor_id = attrs.bproperty(export_enabled=False)
    label = attrs.bproperty()

    class Meta:
        path = "cityView/{city.doc_id}"

    @name.getter
    def name(self) -> Any:
        return self.store.city.city_name

    @name.setter
    def name(self, value: str) -> None:
        self.store.city.city_name = value

    @population.getter
    def population(self) -> Any:
        return self.store.city.population

    @population.setter
    def population(self, value: int) -> None:
        self.store.city.population = value

    @mayor_name.getter
    def mayor_name(self) -> Any:
        return self.store.mayor.full_name if self.store.mayor else None

    @mayor_name.setter
    def mayor_name(self, value: str) -> None:
        self.store.mayor.full_name = value

    @mayor_id.setter
    def mayor_id(self, value: str) -> None:
        self.store.city.mayor = value

    @label.getter
    def label(self) -> str:
        return f"{self.store.city.city_name}!"


class CityMutation(Mutation[CityView]):
    pass


@pytest.fixture
def datastore(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryDatastore]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Mayor/m1", fullName="London", obj_type="Mayor")
        datastore.put("Mayor/m2", fullName="Daniel", obj_type="Mayor")
        datastore.put("City/SF", cityName="SF", population=3, motto="Oro", mayor=m("m1"))
        yield datastore


def m(doc_id: str) -> Any:
    from flask_boiler.context.context import current_context

    return current_context().decoder.reference(f"Mayor/{doc_id}")


def written(datastore: MemoryDatastore) -> list[tuple[str, str, tuple[str, ...]]]:
    [commit] = datastore.commits
    return [(w.kind, w.path, w.mask) for w in commit if w.kind != "verify"]


def test_the_view_follows_from_the_type_argument() -> None:
    assert CityMutation.view_model_cls is CityView


def test_a_patch_writes_only_what_changed(datastore: MemoryDatastore) -> None:
    view = CityMutation.mutate_patch("SF", {"name": "Frisco", "population": 3})
    assert written(datastore) == [("update", "City/SF", ("cityName",))]
    assert (view.name, view.label) == ("Frisco", "Frisco!")


def test_a_patch_that_changes_nothing_writes_nothing(datastore: MemoryDatastore) -> None:
    CityMutation.mutate_patch("SF", {"name": "SF"})
    assert datastore.commits == []


def test_all_models_that_setters_change_are_written_in_one_commit(
    datastore: MemoryDatastore,
) -> None:
    CityMutation.mutate_patch("SF", {"name": "Frisco", "mayor_name": "Breed"})
    assert {path for _, path, _ in written(datastore)} == {"City/SF", "Mayor/m1"}


def test_the_view_that_comes_back_follows_a_reference_that_moved(
    datastore: MemoryDatastore,
) -> None:
    view = CityMutation.mutate_patch("SF", {"mayor_name": "Breed", "mayor_id": "m2"})
    assert (datastore.fields("Mayor/m1") or {})["fullName"] == "Breed"
    assert view.mayor_name == "Daniel"


def test_every_wrong_attribute_is_named_and_nothing_written(datastore: MemoryDatastore) -> None:
    data = {"nmae": "x", "label": "y", "population": "many", "name": "Frisco"}
    with pytest.raises(ValidationError) as refusal:
        CityMutation.mutate_patch("SF", data)
    assert set(refusal.value.messages) == {"nmae", "label", "population"}
    assert "Unknown" in refusal.value.messages["nmae"][0]
    assert "Read-only" in refusal.value.messages["label"][0]
    assert datastore.commits == []


def test_a_put_needs_everything_that_is_writable_and_shown(datastore: MemoryDatastore) -> None:
    with pytest.raises(ValidationError) as refusal:
        CityMutation.mutate_put("SF", {"name": "Frisco", "label": "y"})
    assert set(refusal.value.messages) == {"population", "mayor_name", "label"}
    CityMutation.mutate_put("SF", {"name": "Frisco", "population": 4, "mayor_name": "London"})
    assert (datastore.fields("City/SF") or {})["motto"] == "Oro"


def test_a_missing_root_is_not_found(datastore: MemoryDatastore) -> None:
    for act in (
        lambda: CityMutation.mutate_patch("LA", {}),
        lambda: CityMutation.mutate_put("LA", {}),
        lambda: CityMutation.mutate_delete("LA"),
    ):
        with pytest.raises(DocumentNotFoundError, match="City/LA"):
            act()


def test_create_makes_a_new_root(datastore: MemoryDatastore) -> None:
    view = CityMutation.mutate_create("LA", {"name": "Los Angeles", "mayor_id": "m1"})
    stored = datastore.fields("City/LA") or {}
    assert (stored["cityName"], stored["population"], stored["obj_type"]) == (
        "Los Angeles",
        0,
        "City",
    )
    assert view.mayor_name == "London"
    assert len(datastore.commits) == 1


def test_create_chooses_an_id(datastore: MemoryDatastore) -> None:
    view = CityMutation.mutate_create(data={"name": "x"})
    assert datastore.exists(f"City/{view.store.city.doc_id}")


def test_create_of_what_is_there_is_a_conflict_at_once(datastore: MemoryDatastore) -> None:
    with pytest.raises(ConflictError, match="City/SF"):
        CityMutation.mutate_create("SF", {"name": "x"})
    assert len(datastore.begun) == 1
    assert datastore.commits == []


def test_create_refuses_wrong_input_and_ids(datastore: MemoryDatastore) -> None:
    with pytest.raises(ValidationError, match="label"):
        CityMutation.mutate_create("LA", {"label": "x"})
    with pytest.raises(ValidationError, match="doc_id"):
        CityMutation.mutate_create("a/b", {})
    assert datastore.commits == []


def test_delete_deletes_the_root_alone(datastore: MemoryDatastore) -> None:
    CityMutation.mutate_delete("SF")
    assert written(datastore) == [("delete", "City/SF", ())]
    assert datastore.exists("Mayor/m1")


def test_a_lost_race_is_run_again_on_the_new_state(datastore: MemoryDatastore) -> None:
    def overtaken(act: Any) -> Any:
        datastore.put("City/SF", cityName="SF", population=7, mayor=m("m1"))
        return act()

    datastore.mishaps.append(overtaken)
    view = CityMutation.mutate_patch("SF", {"name": "Frisco"})
    assert (view.name, view.population) == ("Frisco", 7)
    assert len(datastore.attempts) == 2


def test_a_race_that_is_always_lost_is_a_conflict(datastore: MemoryDatastore) -> None:
    def lose(act: Any) -> Any:
        raise ConflictError("lost")

    class Hasty(CityMutation):
        max_attempts = 3

    datastore.mishaps.extend([lose] * CityMutation.max_attempts)
    with pytest.raises(ConflictError):
        CityMutation.mutate_patch("SF", {"name": "Frisco"})
    assert datastore.mishaps == []
    datastore.mishaps.extend([lose] * 3)
    with pytest.raises(ConflictError):
        Hasty.mutate_patch("SF", {"name": "Frisco"})
    assert (datastore.fields("City/SF") or {})["cityName"] == "SF"


def test_a_setter_that_refuses_is_not_asked_again(datastore: MemoryDatastore) -> None:
    asked: list[str] = []

    class Frozen(CityView):
        name: Attr[str] = attrs.bproperty()

        @name.getter
        def name(self) -> Any:
            return self.store.city.city_name

        @name.setter
        def name(self, value: str) -> None:
            asked.append(value)
            raise RefusedError("a city is named once")

    class FrozenMutation(Mutation[Frozen]):
        view_model_cls = Frozen

    with pytest.raises(RefusedError, match="a city is named once"):
        FrozenMutation.mutate_patch("SF", {"name": "Frisco"})
    assert asked == ["Frisco"]
    assert datastore.commits == []


def test_a_command_joins_the_transaction_in_force(datastore: MemoryDatastore) -> None:
    with transaction():
        CityMutation.mutate_patch("SF", {"name": "Frisco"})
        CityMutation.mutate_create("LA", {"name": "Los Angeles"})
        assert datastore.commits == []
    assert {path for _, path, _ in written(datastore)} == {"City/SF", "City/LA"}


def test_a_single_command_can_be_overridden(datastore: MemoryDatastore) -> None:
    class Polite(CityMutation):
        @classmethod
        def mutate_patch(cls, doc_id: str, data: Any) -> CityView:
            return super().mutate_patch(doc_id, {**data, "name": data["name"].title()})

    assert Polite.mutate_patch("SF", {"name": "frisco"}).name == "Frisco"
    Polite.mutate_delete("SF")


def test_a_view_that_is_built_from_a_snapshot_can_be_patched_not_created(
    datastore: MemoryDatastore,
) -> None:
    class OwnNew(CityView):
        @classmethod
        def new(cls, snapshot: Any) -> Any:
            store = CityStore()
            store.add_snapshot("city", dm_cls=City, snapshot=snapshot)
            return cls(store=store)

    class OwnNewMutation(Mutation[OwnNew]):
        pass

    assert OwnNewMutation.mutate_patch("SF", {"name": "Frisco"}).name == "Frisco"
    with pytest.raises(ConfigurationError, match="mutate_create"):
        OwnNewMutation.mutate_create("LA", {})


def test_what_cannot_be_changed_by_an_id_says_so() -> None:
    class Nothing(Mutation[Any]):
        pass

    class Rootless(ViewModel):
        pass

    class RootlessMutation(Mutation[Rootless]):
        pass

    with pytest.raises(ConfigurationError, match="view_model_cls"):
        Nothing.mutate_patch("SF", {})
    with pytest.raises(ValidationError, match="names no Rootless: expected an empty text"):
        RootlessMutation.mutate_patch("SF", {})
    with pytest.raises(ConfigurationError, match="is for views of one root alone"):
        RootlessMutation.mutate_delete("SF")
