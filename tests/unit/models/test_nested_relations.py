"""Relations that are loaded and saved with their owner."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.kinds.relation_kind import google_reference
from flask_boiler.errors import (
    ConflictError,
    CyclicRelationError,
    DeclarationError,
    StoredDataError,
    ValidationError,
)
from flask_boiler.firestore.native import DELETE_FIELD
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.models.schema.schema import InvalidInputError
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions.running import transaction
from flask_boiler.transactions.snapshot_cut import SnapshotCut, compute_once
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Country(DomainModel):
    title: Attr[str]


class Venue(DomainModel):
    street: Attr[str]
    floor: Attr[int] = attrs.bproperty(default=0)
    country: Attr[Any] = attrs.relation(Country, nested=True)


class Hall(Venue):
    seats: Attr[int] = attrs.bproperty(default=10)


class Guest(DomainModel):
    full_name: Attr[str]
    home = attrs.relation("Venue", nested=True)


class Party(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    venue: Attr[Any] = attrs.relation(Venue, nested=True)
    guests = attrs.relation(Guest, many=True, nested=True)
    host: Attr[Any] = attrs.relation(Guest)


def ref(path: str) -> Any:
    return google_reference(path)


@pytest.fixture
def party(memory: MemoryDatastore) -> MemoryDatastore:
    """A party at v1 with the guests g1 and g2, of whom one lives there."""
    memory.put("Country/de", obj_type="Country", title="Germany")
    memory.put("Venue/v1", obj_type="Venue", street="Main St", country=ref("Country/de"))
    memory.put("Venue/h1", obj_type="Hall", street="High St", seats=99)
    memory.put("Guest/g1", obj_type="Guest", fullName="Ada", home=ref("Venue/v1"))
    memory.put("Guest/g2", obj_type="Guest", fullName="Bob")
    memory.put(
        "Party/p",
        obj_type="Party",
        title="New Year",
        venue=ref("Venue/v1"),
        guests=[ref("Guest/g1"), ref("Guest/g2")],
        host=ref("Guest/g1"),
    )
    return memory


class TestLoading:
    def test_one_batch_for_each_level(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        assert party.requests == [
            ["Party/p"],
            ["Venue/v1", "Guest/g1", "Guest/g2"],
            ["Country/de", "Venue/v1"],
            ["Country/de"],
        ]
        assert isinstance(found.venue, Venue)
        assert (found.venue.street, found.venue.country.title) == ("Main St", "Germany")
        assert [guest.full_name for guest in found.guests] == ["Ada", "Bob"]
        assert found.guests[0].home.country.title == "Germany"
        assert found.guests[1].home is None
        assert found.host.path == "Guest/g1"
        assert len(party.requests) == 4

    def test_a_dict_keeps_its_shape(self, party: MemoryDatastore) -> None:
        party.put("Party/d", guests={"a": ref("Guest/g2"), "gone": ref("Guest/x")})
        found = Party.get_or_raise("d")
        assert {key: guest.full_name for key, guest in found.guests.items()} == {"a": "Bob"}
        assert found.venue is None

    def test_what_is_missing_is_none_or_absent_and_stays_stored(
        self, party: MemoryDatastore
    ) -> None:
        stored = {
            "obj_type": "Party",
            "venue": ref("Venue/x"),
            "guests": [ref("Guest/x"), ref("Guest/g2")],
        }
        party.put("Party/m", **stored)
        found = Party.get_or_raise("m")
        assert found.venue is None
        assert [guest.doc_id for guest in found.guests] == ["g2"]
        found.save()
        assert party.commits == []
        found.guests[0].full_name = "Rob"
        found.save()
        assert [write.path for write in party.writes] == ["Guest/g2"]
        assert party.fields("Party/m") == stored
        found.guests.append(Guest.new("g3", full_name="Cy"))
        found.save()
        assert party.fields("Party/m")["guests"] == [ref("Guest/g2"), ref("Guest/g3")]
        assert party.fields("Party/m")["venue"] == ref("Venue/x")
        found.venue = None
        found.save()
        assert party.fields("Party/m")["venue"] is None

    def test_the_class_is_that_of_the_document(self, party: MemoryDatastore) -> None:
        party.put("Party/h", venue=ref("Venue/h1"))
        venue = Party.get_or_raise("h").venue
        assert isinstance(venue, Hall)
        assert venue.seats == 99

    def test_a_stored_reference_to_another_class_is_told_where_it_is_looked_at(
        self, party: MemoryDatastore
    ) -> None:
        guests = {"a": ref("Guest/g1"), "b": ref("Venue/v1")}
        party.put("Party/w", title="Wrong", venue=ref("Guest/g1"), guests=guests)
        found = Party.get_or_raise("w")
        assert found.title == "Wrong"
        with pytest.raises(StoredDataError, match="Guest/g1 has the obj_type 'Guest'") as told:
            _ = found.venue
        assert (told.value.where, [*told.value.messages]) == ("Party/w", ["venue"])
        with pytest.raises(StoredDataError, match=r"Party/w: guests\.b: Venue/v1 has"):
            _ = found.guests
        found.venue = "v1"
        found.save()
        assert Party.get_or_raise("w").venue.street == "Main St"
        found.venue = "Guest/g1"
        with pytest.raises(ValidationError, match="Guest/g1") as assigned:
            _ = found.venue
        assert not isinstance(assigned.value, StoredDataError)

    def test_what_several_refer_to_is_one_object(self, party: MemoryDatastore) -> None:
        party.put("Guest/g2", fullName="Bob", home=ref("Venue/v1"))
        first, second = Party.get_or_raise("p").guests
        assert first.home is second.home

    def test_a_stored_value_of_a_foreign_shape_fails_where_it_is_read(
        self, party: MemoryDatastore
    ) -> None:
        party.put("Party/f", title="x", venue=3, guests=["nowhere"])
        found = Party.get_or_raise("f")
        assert found.title == "x"
        with pytest.raises(ValidationError, match="Party/f: venue: expected"):
            _ = found.venue
        with pytest.raises(ValidationError, match=r"guests\.0"):
            _ = found.guests
        found.update(title="y")
        assert party.fields("Party/f")["venue"] == 3

    def test_snapshots_are_loaded_together(self, party: MemoryDatastore) -> None:
        snapshots = party.get(["Guest/g1", "Guest/g2"])
        party.put("Guest/g1", fullName="Changed")
        party.requests.clear()
        first, second = Guest.from_snapshots(list(snapshots.values()))
        assert party.requests == [["Venue/v1"], ["Country/de"]]
        assert (first.full_name, first.home.street, second.home) == ("Ada", "Main St", None)
        assert Guest.from_snapshots([]) == []

    def test_in_a_transaction_it_is_read_through_it(self, party: MemoryDatastore) -> None:
        with transaction():
            Venue.get_or_raise("v1").update(street="Moved")
            found = Party.get_or_raise("p")
            assert found.venue.street == "Moved"
        # It is at hand, although the transaction is over.
        assert found.guests[0].home.country.title == "Germany"
        assert party.fields("Venue/v1")["street"] == "Moved"

    def test_a_cut_is_asked_for_what_is_looked_at_alone(self, party: MemoryDatastore) -> None:
        cut = SnapshotCut(party)
        cut.fetch(frozenset(["Guest/g1", "Guest/g2", "Party/p"]))
        party.requests.clear()
        with reading_through(cut):
            found = Party.get_or_raise("p")
            assert found.title == "New Year"
            assert [guest.full_name for guest in found.guests] == ["Ada", "Bob"]
            with pytest.raises(Incomplete) as incomplete:
                _ = found.guests[1].home, found.guests[0].home
            assert incomplete.value.missing == {"Venue/v1"}
        assert party.requests == []

    def test_a_cut_s_group_is_read_together(self, party: MemoryDatastore) -> None:
        party.put("Guest/g2", fullName="Bob", home=ref("Venue/h1"))
        party.requests.clear()

        def streets() -> list[str]:
            return [guest.home.street for guest in Party.get_or_raise("p").guests]

        assert compute_once(streets, party) == ["Main St", "High St"]
        assert [sorted(request) for request in party.requests] == [
            ["Party/p"],
            ["Guest/g1", "Guest/g2"],
            ["Venue/h1", "Venue/v1"],
        ]

    def test_what_a_getter_left_out_can_be_looked_at_later(self, party: MemoryDatastore) -> None:
        found = compute_once(lambda: Party.get_or_raise("p"), party)
        assert found.venue.country.title == "Germany"

    def test_what_was_saved_since_is_read_as_it_is_now(self, party: MemoryDatastore) -> None:
        found = compute_once(lambda: Party.get_or_raise("p"), party)
        assert found._model_state.group is not None
        party.put("Venue/v1", street="New St")
        found.update(title="Ball")
        assert found._model_state.group is None
        assert found.venue.street == "New St"

    def test_whoever_loaded_everything_keeps_nobody_else(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        states = [m._model_state for m in (found, found.venue, *found.guests)]
        assert [state.group for state in states] == [None] * 4

    def test_a_view_reads_one_batch_for_each_level(self, party: MemoryDatastore) -> None:
        class PartyStore(Store):
            party: Any = reference(Party)
            host: Any = reference(Guest, source=lambda store: store.party.host)
            venue: Any = reference(Venue, source=lambda store: store.party.venue)
            guests = reference(Guest, many=True, source=lambda store: store.party.guests)

        class PartyView(ViewModel):
            store: PartyStore

            @attrs.computed
            def street(self) -> Any:
                return self.store.party.venue.street

            @attrs.computed
            def names(self) -> Any:
                return [guest.full_name for guest in self.store.party.guests]

            @attrs.computed
            def country(self) -> Any:
                return self.store.venue.country.title

            @attrs.computed
            def homes(self) -> Any:
                return [guest.home.street for guest in self.store.guests.values() if guest.home]

            @attrs.computed
            def host(self) -> Any:
                return self.store.host.full_name

        party.requests.clear()
        view = PartyView.get("p")
        assert view.to_view_dict() == {
            "street": "Main St",
            "names": ["Ada", "Bob"],
            "country": "Germany",
            "homes": ["Main St"],
            "host": "Ada",
        }
        assert [sorted(request) for request in party.requests] == [
            ["Party/p"],
            ["Guest/g1", "Guest/g2", "Venue/v1"],
            ["Country/de"],
        ]


class TestAssigning:
    def test_whatever_leads_to_a_document(self, party: MemoryDatastore) -> None:
        for given in ("v1", "Venue/v1", ref("Venue/v1")):
            made = Party.new("n", venue=given)
            assert made.venue.street == "Main St"
            assert made.to_dict()["venue"] == ref("Venue/v1")
        venue = Venue.new("v2", street="x")
        assert Party.new(venue=venue).venue is venue
        with pytest.raises(ValidationError, match="venue"):
            _ = Party.new(venue=3).venue
        with pytest.raises(ValidationError, match="expected Venue"):
            Party.new(venue=Guest.new("g1")).to_dict()

    def test_a_list_or_dict_is_the_one_that_was_given(self, memory: MemoryDatastore) -> None:
        guests = [Guest.new("a", full_name="A")]
        party = Party.new("n", guests=guests)
        assert party.guests is guests
        guests.append(Guest.new("b", full_name="B"))
        party.save()
        assert [write.path for write in memory.writes] == ["Party/n", "Guest/a", "Guest/b"]
        assert memory.fields("Party/n")["guests"] == [ref("Guest/a"), ref("Guest/b")]
        assert len(memory.commits) == 1

    def test_references_may_be_put_among_the_models(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.guests[0].full_name = "Eve"
        found.guests.append("g2")
        assert [guest.full_name for guest in found.guests] == ["Eve", "Bob", "Bob"]
        found.save()
        assert party.fields("Guest/g1")["fullName"] == "Eve"
        assert len(party.fields("Party/p")["guests"]) == 3

    def test_deleting_the_attribute(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        del found.venue
        assert found.venue is None
        found.update(guests=DELETE_FIELD)
        found.save()
        assert party.fields("Party/p").keys() == {"obj_type", "title", "host"}
        assert found.guests is None


class TestSaving:
    def test_all_that_changed_in_one_commit(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.venue.floor = 3
        found.guests[0].home.country.title = "Deutschland"
        found.guests.append(Guest.new("g3", full_name="Cy", home=Hall.new("h2", street="x")))
        found.save()
        (commit,) = party.commits
        assert {(write.kind, write.path) for write in commit} == {
            ("update", "Party/p"),
            ("update", "Venue/v1"),
            ("update", "Country/de"),
            ("set", "Guest/g3"),
            ("set", "Venue/h2"),
        }
        assert all(w.precondition is not None for w in commit if w.kind == "update")
        assert party.fields("Venue/h2")["obj_type"] == "Hall"
        found.save()
        assert len(party.commits) == 1
        found.venue.floor = 4
        found.save()
        assert [write.path for write in party.commits[1]] == ["Venue/v1"]

    def test_a_conflict_on_any_writes_nothing(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        party.put("Guest/g2", fullName="theirs")
        found.title, found.guests[1].full_name = "mine", "mine"
        with pytest.raises(ConflictError, match="Party/p, Guest/g2 are saved"):
            found.save()
        assert party.commits == []
        assert party.fields("Party/p")["title"] == "New Year"
        found.save(force=True)
        assert party.fields("Party/p")["title"] == "mine"
        assert party.fields("Guest/g2") == {"fullName": "mine"}

    def test_an_unchanged_one_may_have_been_changed_by_others(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        party.put("Guest/g2", fullName="theirs")
        found.venue.floor = 1
        found.save()
        assert [write.path for write in party.writes] == ["Venue/v1"]

    def test_creating(self, party: MemoryDatastore) -> None:
        made = Party.new("q", venue=Venue.get_or_raise("v1"), guests=[Guest.new(full_name="x")])
        made.venue.floor = 7
        made.save(create=True)
        assert party.fields("Venue/v1")["floor"] == 7
        taken = Party.new("r", guests=[Guest.new("g1", full_name="x")])
        with pytest.raises(ConflictError):
            taken.save(create=True)
        assert party.fields("Guest/g1")["fullName"] == "Ada"
        assert "Party/r" not in party.documents

    def test_what_is_invalid_anywhere_writes_nothing(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.title, found.venue.floor = "x", "high"
        with pytest.raises(ValidationError, match="Venue/v1: floor: expected int"):
            found.save()
        assert party.commits == []

    def test_an_update_saves_the_models_that_it_names(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.guests[0].full_name = "unsaved"
        found.update(venue=Venue.new("v9", street="New St"), title="T")
        assert {write.path for write in party.writes} == {"Party/p", "Venue/v9"}
        assert party.fields("Guest/g1")["fullName"] == "Ada"

    def test_what_was_replaced_is_not_saved(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.venue.floor = 9
        found.venue = "h1"
        found.save()
        assert [write.path for write in party.writes] == ["Party/p"]
        assert found.venue.street == "High St"

    def test_deleting_is_of_the_owner_alone(self, party: MemoryDatastore) -> None:
        Party.get_or_raise("p").delete()
        assert {"Venue/v1", "Guest/g1"} <= party.documents.keys()

    def test_what_was_deleted_is_not_saved_again(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.venue.delete()
        found.title = "x"
        found.save()
        assert "Venue/v1" not in party.documents
        found.venue.save()
        assert party.fields("Venue/v1")["street"] == "Main St"
        with transaction():
            found.guests[1].delete()
            found.title = "y"
            found.save()
        assert "Guest/g2" not in party.documents

    def test_in_a_transaction(self, party: MemoryDatastore) -> None:
        with pytest.raises(RuntimeError), transaction():
            found = Party.get_or_raise("p")
            found.venue.floor = 5
            found.save()
            raise RuntimeError
        assert party.commits == []
        with transaction() as tx:
            found = Party.get_or_raise("p")
            found.venue.floor = 5
            found.save(transaction=tx)
            found.guests[0].full_name = "Eve"
            found.save()
            assert party.commits == []
            assert Party.get_or_raise("p").venue.floor == 5
        written = {write.path for write in party.writes if write.kind != "verify"}
        assert written == {"Venue/v1", "Guest/g1"}
        found.save()
        assert len(party.commits) == 1

    def test_a_conflict_in_a_transaction_leaves_nothing_of_it(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        party.put("Guest/g2", fullName="theirs")
        with transaction():
            found.title, found.guests[1].full_name = "mine", "mine"
            Guest.get_or_raise("g2")
            with pytest.raises(ConflictError, match="Guest/g2 was changed by somebody else"):
                found.save()
            Venue.get_or_raise("v1").update(floor=8)
        assert [w.path for w in party.writes if w.kind != "verify"] == ["Venue/v1"]
        # It was not taken for saved.
        assert Party.get_or_raise("p").title == "New Year"
        found.save(force=True)
        assert Party.get_or_raise("p").title == "mine"

    def test_setters_of_a_view_save_what_they_changed(self, party: MemoryDatastore) -> None:
        class OneStore(Store):
            party: Any = reference(Party)

        def move(view: Any, street: str) -> None:
            view.store.party.venue.street = street

        class OneView(ViewModel):
            store: OneStore
            street = attrs.bproperty().getter(lambda view: view.store.party.venue.street)
            street = street.setter(move)

        view = OneView.new("p")
        view.street = "Side St"
        view.propagate_change()
        assert [w.path for w in party.writes if w.kind != "verify"] == ["Venue/v1"]


class TestForms:
    def test_stored_and_shown(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        stored = found.to_dict()
        assert stored["venue"] == ref("Venue/v1")
        assert stored["guests"] == [ref("Guest/g1"), ref("Guest/g2")]
        shown = found.to_view_dict()
        assert shown["venue"] == {
            "street": "Main St",
            "floor": 0,
            "country": {"title": "Germany"},
        }
        assert [guest["fullName"] for guest in shown["guests"]] == ["Ada", "Bob"]
        assert shown["host"] == ref("Guest/g1")
        again = Party.from_dict(stored)
        assert again.venue.street == "Main St"
        assert again.to_dict() == stored

    def test_json(self, party: MemoryDatastore) -> None:
        dumped: Any = Party.schema().dump(Party.get_or_raise("p"))
        assert dumped["venue"]["country"] == {"title": "Germany"}
        assert dumped["guests"][1] == {"fullName": "Bob"}
        loaded = Party.schema().load(
            {"venue": {"street": "x", "obj_type": "Hall", "seats": 3}, "guests": ["g1", "Guest/g2"]}
        )
        made = Party.new("j", **loaded)
        assert isinstance(made.venue, Hall)
        assert [guest.full_name for guest in made.guests] == ["Ada", "Bob"]
        with pytest.raises(InvalidInputError, match="floor"):
            Party.schema().load({"venue": {"street": "x", "floor": "high"}})

    def test_input_changes_what_is_there(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        venue = found.venue
        found.update_vals(with_dict={"title": "T", "venue": {"floor": 2}})
        assert found.venue is venue
        found.save()
        assert {w.path for w in party.writes} == {"Party/p", "Venue/v1"}
        assert party.fields("Venue/v1")["floor"] == 2
        found.update_vals(with_dict={"venue": {"country": {"title": "D"}}})
        assert venue.country.title == "D"

    def test_input_makes_what_is_not(self, party: MemoryDatastore) -> None:
        party.put("Party/e", title="empty")
        found = Party.get_or_raise("e")
        found.update_vals(
            with_dict={
                "venue": {"obj_type": "Hall", "street": "x", "seats": 2},
                "guests": {"a": {"full_name": "A"}, "b": "g2"},
            }
        )
        assert isinstance(found.venue, Hall)
        found.save()
        assert {k: g.full_name for k, g in Party.get_or_raise("e").guests.items()} == {
            "a": "A",
            "b": "Bob",
        }
        found.update_vals(with_dict={"guests": {"a": {"full_name": "Z"}}})
        found.save()
        assert [g.full_name for g in Party.get_or_raise("e").guests.values()] == ["Z"]

    def test_input_of_another_class_is_a_new_one(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.update_vals(with_dict={"venue": {"obj_type": "Hall", "street": "x"}})
        assert isinstance(found.venue, Hall)
        assert found.venue.doc_id != "v1"
        with pytest.raises(ValidationError, match=r"venue\.obj_type"):
            found.update_vals(with_dict={"venue": {"obj_type": "Guest"}})

    def test_wrong_input_changes_nothing(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        with pytest.raises(ValidationError) as refused:
            found.update_vals(
                with_dict={
                    "title": "T",
                    "venue": {"street": "x", "floor": "high", "roof": 1},
                    "guests": [{"full_name": 3}],
                }
            )
        assert refused.value.messages.keys() == {"venue.floor", "venue.roof", "guests.0.full_name"}
        assert (found.title, found.venue.street) == ("New Year", "Main St")
        found.save()
        assert party.commits == []

    def test_raw_values_are_references(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        found.update_vals(with_raw={"venue": ref("Venue/h1")})
        assert found.venue.street == "High St"

    def test_input_may_not_refer_to_another_class(self, party: MemoryDatastore) -> None:
        found = Party.get_or_raise("p")
        party.requests.clear()
        with pytest.raises(ValidationError) as refused:
            found.update_vals(
                with_dict={
                    "title": "T",
                    "venue": "Guest/g1",
                    "guests": ["g1", "Venue/v1", "Guest/x"],
                }
            )
        assert not isinstance(refused.value, StoredDataError)
        assert refused.value.messages == {
            "venue": ["Guest/g1 is no Venue."],
            "guests.1": ["Venue/v1 is no Guest."],
        }
        with pytest.raises(ValidationError, match=r"guests\.0\.home: Party/p is no Venue"):
            found.update_vals(with_dict={"guests": [{"full_name": "A", "home": "Party/p"}]})
        assert found.title == "New Year"
        with pytest.raises(ValidationError, match="Guest/g1 is no Venue"):
            found.update_vals(with_raw={"venue": ref("Guest/g1")})
        # What is missing may come, and what is below the class is of it.
        found.update_vals(with_dict={"venue": "h1", "guests": ["Guest/x"]})
        assert isinstance(found.venue, Hall)

    def test_nor_may_what_a_schema_loads(self, party: MemoryDatastore) -> None:
        with pytest.raises(ValidationError) as refused:
            Party.schema(partial=True).load({"guests": [{"fullName": "A", "home": "Guest/g1"}]})
        assert refused.value.messages == {"guests.0.home": ["Guest/g1 is no Venue."]}

    def test_queries_compare_references(self, memory: MemoryDatastore) -> None:
        for given in ("v1", Venue.new("v1"), ref("Venue/v1")):
            condition = Party.venue == given
            assert condition.filter.value == ref("Venue/v1")  # type: ignore[union-attr]
        with pytest.raises(AttributeError):
            _ = Party.venue.street  # type: ignore[attr-defined]


class TestDeclaring:
    @pytest.fixture(autouse=True)
    def forget(self) -> Iterator[None]:
        yield
        gc.collect()

    def test_a_circle_of_two(self) -> None:
        class CircleOne(DomainModel):
            other = attrs.relation("CircleTwo", nested=True)

        def close() -> None:
            class CircleTwo(DomainModel):
                back = attrs.relation(CircleOne, many=True, nested=True)

        with pytest.raises(
            CyclicRelationError,
            match=r"CircleTwo would be loaded with itself: CircleTwo\.back -> CircleOne\.other -> "
            r"CircleTwo\. Make one of these relations nested=False",
        ):
            close()

        class CircleTwo(DomainModel):
            back = attrs.relation(CircleOne)

        # The name means the class that was accepted.
        assert CircleOne.new(other=CircleTwo.new("x")).to_view_dict() == {"other": {}}

    def test_to_itself(self) -> None:
        with pytest.raises(CyclicRelationError, match=r"CircleSelf\.parent -> CircleSelf"):

            class CircleSelf(DomainModel):
                parent = attrs.relation("CircleSelf", nested=True)

        class Tree(DomainModel):
            parent = attrs.relation("Tree")

    def test_to_its_parent_class(self) -> None:
        class Shape(DomainModel):
            pass

        with pytest.raises(CyclicRelationError, match=r"Group\.shapes -> Group"):

            class Group(Shape):
                shapes = attrs.relation(Shape, many=True, nested=True)

    def test_through_a_subclass_of_what_is_referred_to(self) -> None:
        class Animal(DomainModel):
            pass

        class Cage(DomainModel):
            animal = attrs.relation(Animal, nested=True)

        with pytest.raises(CyclicRelationError, match=r"Keeper\.cage -> Cage\.animal -> Keeper"):

            class Keeper(Animal):
                cage = attrs.relation(Cage, nested=True)

        class Parrot(Animal):
            cage = attrs.relation(Cage)

    def test_through_a_subclass_of_the_referring_one(self) -> None:
        class Box(DomainModel):
            lid = attrs.relation("Lid", nested=True)

        class BigBox(Box):
            pass

        with pytest.raises(CyclicRelationError, match=r"Lid\.box -> Box\.lid -> Lid"):

            class Lid(DomainModel):
                box = attrs.relation(BigBox, nested=True)

    def test_a_long_way_round(self) -> None:
        class LongA(DomainModel):
            b = attrs.relation("LongB", nested=True)

        class LongC(DomainModel):
            a = attrs.relation(LongA, nested=True)

        with pytest.raises(
            CyclicRelationError, match=r"LongB\.c -> LongC\.a -> LongA\.b -> LongB\."
        ):

            class LongB(DomainModel):
                c = attrs.relation(LongC, nested=True)

    def test_two_ways_to_one_place_are_no_circle(self, memory: MemoryDatastore) -> None:
        class Leaf(DomainModel):
            pass

        class Left(DomainModel):
            leaf = attrs.relation(Leaf, nested=True)

        class Top(DomainModel):
            left = attrs.relation(Left, nested=True)
            leaf = attrs.relation(Leaf, nested=True)

        leaf = Leaf.new("l")
        Top.new("t", left=Left.new("m", leaf=leaf), leaf=leaf).save()
        assert [write.path for write in memory.writes] == ["Top/t", "Left/m", "Leaf/l"]

    def test_only_between_documents(self) -> None:
        class Stamp(Model):
            pass

        with pytest.raises(DeclarationError, match=r"Stamp, which has no documents.*attrs.embed"):

            class Letter(DomainModel):
                stamp = attrs.relation(Stamp, nested=True)

        with pytest.raises(DeclarationError, match=r"Parcel is not one: .* in a DomainModel"):

            class Parcel(Model):
                country = attrs.relation(Country, nested=True)

        with pytest.raises(DeclarationError, match="needs the model"):
            attrs.relation(nested=True)  # type: ignore[call-overload]
