"""Nested relations on a real Firestore: what is asked and written, and that it is of one time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    Config,
    DomainModel,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    reference,
    run_transaction,
    transaction,
)
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import ConflictError
from flask_boiler.testing import Settle
from tests.firestore.wire import Call, Wire

TIMEOUT_S = 30.0


class Harbour(DomainModel):
    harbour_name: Attr[str]
    depth: Attr[int] = attrs.bproperty(default=0)


class Captain(DomainModel):
    full_name: Attr[str]
    home: Attr[Any] = attrs.relation(Harbour, nested=True)


class FirstMate(Captain):
    rank: Attr[int] = attrs.bproperty(default=1)


class Ship(DomainModel):
    ship_name: Attr[str] = attrs.bproperty(default="")
    voyage: Attr[int] = attrs.bproperty(default=0)
    harbour: Attr[Any] = attrs.relation(Harbour, nested=True)
    crew: Attr[Any] = attrs.relation(Captain, many=True, nested=True)


class ShipStore(Store):
    ship: Any = reference(Ship)
    harbour: Any = reference(Harbour, source=lambda store: store.ship.harbour)
    crew: Any = reference(Captain, many=True, source=lambda store: store.ship.crew)


class ShipView(ViewModel):
    """Reads its relations in both ways: through the ship, and through the store."""

    store: ShipStore

    class Meta:
        path = "shipView/{ship.doc_id}"

    @attrs.computed
    def harbour(self) -> Any:
        harbour = self.store.ship.harbour
        return harbour and harbour.harbour_name

    @attrs.computed
    def depth(self) -> Any:
        return self.store.harbour and self.store.harbour.depth

    @attrs.computed
    def crew(self) -> Any:
        return {key: captain.full_name for key, captain in (self.store.ship.crew or {}).items()}

    @attrs.computed
    def homes(self) -> Any:
        return sorted(c.home.harbour_name for c in self.store.crew.values() if c.home)


class NameView(ViewModel):
    """Looks at no relation."""

    store: ShipStore

    class Meta:
        path = "nameView/{ship.doc_id}"

    @attrs.computed
    def ship_name(self) -> Any:
        return self.store.ship.ship_name


def stored(path: str) -> dict[str, Any]:
    fields = CTX.db.document(path).get().to_dict()
    assert fields is not None
    return fields


@pytest.fixture
def wire(boiler: Boiler) -> Wire:
    return Wire(boiler)


@pytest.fixture
def ship(wire: Wire) -> Ship:
    """Saved with all that belongs to it, in one commit."""
    kiel = Harbour.new("kiel", harbour_name="Kiel", depth=9)
    crew = {
        "ada": Captain.new("ada", full_name="Ada", home=kiel),
        "bob": FirstMate.new("bob", full_name="Bob", home=Harbour.new("ulm", harbour_name="Ulm")),
    }
    made = Ship.new("s", ship_name="Gorch", harbour=kiel, crew=crew)
    made.save(create=True)
    assert wire.calls == [Call("Commit", 5, dated=False)]
    wire.clear()
    return made


class TestTheWire:
    def test_a_get_asks_once_for_each_level_as_of_one_time(self, ship: Ship, wire: Wire) -> None:
        found = Ship.get_or_raise("s")
        assert found.harbour.harbour_name == "Kiel"
        assert {key: captain.home.depth for key, captain in found.crew.items()} == {
            "ada": 9,
            "bob": 0,
        }
        assert type(found.crew["bob"]) is FirstMate
        assert wire.calls == [
            Call("BatchGetDocuments", 1, dated=False),
            Call("BatchGetDocuments", 3, dated=True),
            Call("BatchGetDocuments", 2, dated=True),
        ]

    def test_a_query_asks_for_many_owners_at_a_time(self, ship: Ship, wire: Wire) -> None:
        for n in range(4):
            Harbour.new(f"h{n}", harbour_name=f"H{n}", depth=n).save()
        batch = CTX.db.batch()
        for n in range(130):
            place = CTX.db.document(f"Harbour/h{n % 4}")
            batch.set(CTX.db.document(f"Ship/x{n:03}"), {"obj_type": "Ship", "harbour": place})
        batch.commit()
        wire.clear()
        found = list(Ship.where(Ship.doc_id >= "Ship/x").order_by("doc_id"))
        assert [s.harbour.depth for s in found] == [n % 4 for n in range(130)]
        # 100 of them, and the rest.
        assert wire.methods == {"RunQuery": 1, "BatchGetDocuments": 2}
        assert all(call.dated for call in wire.calls if call.method == "BatchGetDocuments")
        assert wire.reads == [4, 4]
        wire.clear()
        page = Ship.get_query().order_by("doc_id").page(50)
        assert page.results[0].crew["ada"].home.depth == 9
        assert wire.methods == {"RunQuery": 1, "BatchGetDocuments": 2}

    def test_a_view_asks_once_for_each_level(self, ship: Ship, wire: Wire) -> None:
        view = ShipView.get("s")
        assert view.to_view_dict()["homes"] == ["Kiel", "Ulm"]
        assert wire.reads == [1, 3, 1]
        assert all(call.dated for call in wire.calls if call.method == "BatchGetDocuments")
        wire.clear()
        NameView.get("s")
        assert wire.reads == [1]

    def test_a_transaction_reads_and_verifies_all_of_it(self, ship: Ship, wire: Wire) -> None:
        with transaction():
            found = Ship.get_or_raise("s")
            found.crew["ada"].home.depth += 1
            found.save()
        assert wire.reads == [1, 3, 1]
        assert wire.calls[-1] == Call("Commit", 5, dated=False)
        assert stored("Harbour/kiel")["depth"] == 10

    def test_what_changed_is_written_in_one_commit(self, ship: Ship, wire: Wire) -> None:
        found = Ship.get_or_raise("s")
        found.ship_name = "Fock"
        found.crew["bob"].full_name = "Rob"
        wire.clear()
        found.save()
        found.save()
        assert wire.calls == [Call("Commit", 2, dated=False)]
        assert (stored("Ship/s")["shipName"], stored("Captain/bob")["fullName"]) == ("Fock", "Rob")
        assert stored("Ship/s")["crew"] == {
            "ada": CTX.db.document("Captain/ada"),
            "bob": CTX.db.document("Captain/bob"),
        }


class TestConflicts:
    def test_a_change_of_any_refuses_all(self, ship: Ship) -> None:
        found = Ship.get_or_raise("s")
        CTX.db.document("Harbour/ulm").update({"depth": 1})
        found.ship_name = "mine"
        found.crew["bob"].home.depth = 2
        with pytest.raises(ConflictError, match="Harbour/ulm are saved together"):
            found.save()
        assert (stored("Ship/s")["shipName"], stored("Harbour/ulm")["depth"]) == ("Gorch", 1)
        found.save(force=True)
        assert (stored("Ship/s")["shipName"], stored("Harbour/ulm")["depth"]) == ("mine", 2)

    def test_one_that_went_refuses_all(self, ship: Ship) -> None:
        found = Ship.get_or_raise("s")
        CTX.db.document("Harbour/ulm").delete()
        found.ship_name = "mine"
        found.crew["bob"].home.depth = 2
        with pytest.raises(ConflictError):
            found.save()
        assert stored("Ship/s")["shipName"] == "Gorch"

    def test_a_new_one_that_is_there_refuses_a_creation(self, ship: Ship) -> None:
        taken = Ship.new("t", harbour=Harbour.new("kiel", harbour_name="mine"))
        with pytest.raises(ConflictError):
            taken.save(create=True)
        assert stored("Harbour/kiel")["harbourName"] == "Kiel"
        assert Ship.get("t") is None


@pytest.fixture
def exact() -> Iterator[Boiler]:
    """A boiler on a Firestore whose read times are exact.

    Google's emulator can say that a document was read later than it was.
    """
    with EmbeddedFirestore() as server:
        config = Config(testing=True, project="exact", emulator_host=server.host)
        boiler = Boiler(config=config)
        try:
            with boiler.context.activated():
                yield boiler
        finally:
            boiler.close()


def test_everything_is_of_one_time(exact: Boiler) -> None:
    """A ship and its harbour change together; nobody ever sees them apart."""
    Ship.new("s", harbour=Harbour.new("kiel", harbour_name="Kiel")).save()
    stop = threading.Event()
    errors: list[BaseException] = []

    @run_transaction(max_attempts=50)
    def sail() -> None:
        found = Ship.get_or_raise("s")
        found.voyage += 1
        found.harbour.depth = found.voyage
        found.save()

    def work() -> None:
        try:
            with exact.context.activated():
                while not stop.is_set():
                    sail()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        seen: set[tuple[int, int]] = set()
        while len(seen) < 50 and not errors:
            one = Ship.get_or_raise("s")
            (listed,) = Ship.get_query()
            seen |= {(one.voyage, one.harbour.depth), (listed.voyage, listed.harbour.depth)}
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert {pair for pair in seen if pair[0] != pair[1]} == set()


class TestLiveViews:
    @pytest.fixture
    def running(self, ship: Ship, boiler: Boiler, settle: Settle) -> Boiler:
        boiler.add(QueryMediator(ShipView, query=Ship.get_query(), name="ships"))
        boiler.start()
        settle()
        return boiler

    def test_a_view_follows_nested_documents(self, running: Boiler, settle: Settle) -> None:
        assert stored("shipView/s") == {
            "harbour": "Kiel",
            "depth": 9,
            "crew": {"ada": "Ada", "bob": "Bob"},
            "homes": ["Kiel", "Ulm"],
            "obj_type": "ShipView",
            "doc_ref": "shipView/s",
        }
        Harbour.get_or_raise("ulm").update(harbour_name="Neu-Ulm")
        Captain.get_or_raise("ada").update(full_name="Ada L.")
        settle()
        assert stored("shipView/s")["homes"] == ["Kiel", "Neu-Ulm"]
        assert stored("shipView/s")["crew"]["ada"] == "Ada L."
        Harbour.get_or_raise("kiel").delete()
        settle()
        assert stored("shipView/s")["harbour"] is None
        assert stored("shipView/s")["homes"] == ["Neu-Ulm"]
        Harbour.new("kiel", harbour_name="Kiel again").save()
        settle()
        assert stored("shipView/s")["harbour"] == "Kiel again"

    def test_a_view_follows_a_reference_that_moves(self, running: Boiler, settle: Settle) -> None:
        found = Ship.get_or_raise("s")
        found.harbour = Harbour.new("bremen", harbour_name="Bremen")
        del found.crew["ada"]
        found.save()
        settle()
        assert stored("shipView/s")["harbour"] == "Bremen"
        assert stored("shipView/s")["crew"] == {"bob": "Bob"}
        computed = running.engine.statistics.computed
        Harbour.get_or_raise("kiel").update(harbour_name="unread")
        Captain.get_or_raise("ada").update(full_name="unread")
        settle()
        assert running.engine.statistics.computed == computed
        Harbour.get_or_raise("bremen").update(depth=4)
        settle()
        assert stored("shipView/s")["depth"] == 4

    def test_what_no_getter_looks_at_is_not_listened_to(
        self, ship: Ship, boiler: Boiler, settle: Settle
    ) -> None:
        boiler.add(QueryMediator(NameView, query=Ship.get_query(), name="names"))
        boiler.start()
        settle()
        assert stored("nameView/s")["shipName"] == "Gorch"
        hub: Any = boiler.engine.feed
        # The query, and the requests to compute parked views again.
        assert hub.statistics().targets == 2

    def test_a_followed_view_is_told(self, ship: Ship, boiler: Boiler) -> None:
        changes = Changes()
        with ShipView.get("s", once=False, f_notify=changes.note) as view:
            assert view.harbour == "Kiel"
            Harbour.get_or_raise("kiel").update(harbour_name="Kiel-Holtenau")
            changes.wait_for(lambda: changes.last.get("harbour") == "Kiel-Holtenau")
            assert view.harbour == "Kiel-Holtenau"


class Changes:
    """What a follower was told last."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self.last: dict[str, Any] = {}

    def note(self, view: ShipView) -> None:
        with self._told:
            self.last = view.to_view_dict()
            self._told.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._told:
            assert self._told.wait_for(condition, TIMEOUT_S), self.last
