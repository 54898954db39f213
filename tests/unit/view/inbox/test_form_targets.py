"""Forms about documents that are there already, which fields or the path name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import ConfigurationError, DeclarationError, RefusedError
from flask_boiler.firestore.native import DocumentReference
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.view.mediation.inbox import TaskState
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from tests.unit.memory import memory_context


class Trip(DomainModel):
    driver: Attr[str]
    free: Attr[int]

    class Meta:
        collection_name = "trips"


class NightTrip(Trip):
    pass


class Ticket(DomainModel):
    rider: Attr[str]
    trip = attrs.relation(Trip)
    seats: Attr[int]

    class Meta:
        collection_name = "tickets"


class TripStore(Store):
    trip = root(Trip)


class NightStore(Store):
    trip = root(NightTrip)


class SeatForm(Form):
    """Takes seats of the trip that it names by its id."""

    store: TripStore

    trip: Attr[str] = attrs.bproperty()
    seats: Attr[int] = attrs.bproperty()

    class Meta:
        form_path = "users/{uid}/seats_POST/{form_id}"
        refusal_path = "users/{uid}/refused/{form_id}"
        target = "trip"

    @seats.setter
    def _set_seats(self, value: int) -> None:
        if self.placeholders["uid"] == self.store.trip.driver:
            raise RefusedError("You drive.")
        self.store.trip.free -= value


class ReferringForm(SeatForm):
    trip: Attr[DocumentReference] = attrs.relation(Trip)  # type: ignore[assignment]


class NightForm(Form):
    """About trips at night alone."""

    store: NightStore

    trip = attrs.bproperty()

    class Meta:
        form_path = "users/{uid}/nights_POST/{form_id}"
        refusal_path = "users/{uid}/refused/{form_id}"
        target = "trip"


class CancelForm(Form):
    """Cancels the trip in its path."""

    store: TripStore

    class Meta:
        form_path = "trips/{trip_id}/cancel_POST/{form_id}"
        refusal_path = "trips/{trip_id}/refused/{form_id}"
        target = "trip_id"

    def submit(self) -> None:
        self.store.trip.free = 0
        super().submit()


class TicketStore(Store):
    ticket = root(Ticket)
    trip = root(Trip)


class TicketForm(Form):
    """Makes a ticket for the trip that it refers to."""

    store: TicketStore

    trip = attrs.through("ticket.trip")
    seats: Attr[int] = attrs.through("ticket.seats")

    class Meta:
        form_path = "users/{uid}/tickets_POST/{ticket_id}"
        refusal_path = "users/{uid}/refused/{ticket_id}"
        target = {"trip": "trip"}  # noqa: RUF012 - as other options of Meta

    def submit(self) -> None:
        ticket = self.store.ticket
        ticket.rider = self.placeholders["uid"]
        self.store.trip.free -= ticket.seats
        super().submit()


@pytest.fixture
def context() -> Iterator[ApplicationContext]:
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    found.put("trips/t", obj_type="Trip", driver="dan", free=4)
    return found


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)


def apply(form_cls: type[Form], datastore: MemoryDatastore, path: str, **fields: Any) -> TaskState:
    datastore.put(path, **fields)
    return QueryTaskMediator(form_cls).apply(path).state


SEATS = "users/ada/seats_POST/f"
REFUSED = "users/ada/refused/f"


def problem(datastore: MemoryDatastore, path: str = REFUSED) -> dict[str, Any]:
    found: dict[str, Any] = datastore.fields(path)["problem"]
    return found


def reference_to(context: ApplicationContext, path: str) -> Any:
    return context.decoder.reference(path)


@pytest.mark.parametrize("named", ["t", "trips/t", "a reference"])
def test_a_form_is_about_the_document_that_its_field_names(
    context: ApplicationContext, datastore: MemoryDatastore, named: str
) -> None:
    form_cls: type[Form] = SeatForm
    value: Any = named
    if named == "a reference":
        form_cls, value = ReferringForm, reference_to(context, "trips/t")
    assert apply(form_cls, datastore, SEATS, trip=value, seats=3) is TaskState.DONE
    assert datastore.fields("trips/t")["free"] == 1
    assert not datastore.exists(SEATS)
    assert not datastore.exists(REFUSED)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, {"trip": "Missing data", "seats": "Missing data"}),
        ({"seats": "x"}, {"trip": "Missing data", "seats": "expected int"}),
        ({"trip": None, "seats": 1}, {"trip": "may not be null"}),
        ({"trip": 3, "seats": 1}, {"trip": "expected str"}),
        ({"trip": "", "seats": 1}, {"trip": ""}),
        ({"trip": "..", "seats": 1}, {"trip": ""}),
        ({"trip": "tickets/t", "seats": 1}, {"trip": "tickets/t is no Trip"}),
        ({"trip": "nowhere", "seats": 1}, {"trip": "There is no Trip 'trips/nowhere'."}),
    ],
)
def test_who_names_none_is_told(
    datastore: MemoryDatastore, fields: dict[str, Any], said: dict[str, str]
) -> None:
    before = datastore.fields("trips/t")
    assert apply(SeatForm, datastore, SEATS, **fields) is TaskState.DONE
    told = problem(datastore)
    assert told["status"] == 422
    assert told["errors"].keys() == said.keys()
    for name, part in said.items():
        assert part in str(told["errors"][name])
    assert datastore.fields("trips/t") == before


def test_a_reference_into_another_collection_is_refused(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    elsewhere = reference_to(context, "tickets/t")
    assert apply(ReferringForm, datastore, SEATS, trip=elsewhere, seats=1) is TaskState.DONE
    assert problem(datastore)["errors"].keys() == {"trip"}


def test_a_document_of_a_class_beside_is_none(datastore: MemoryDatastore) -> None:
    path = "users/ada/nights_POST/f"
    assert apply(NightForm, datastore, path, trip="t") is TaskState.DONE
    assert "There is no NightTrip" in str(problem(datastore)["errors"])
    datastore.drop(REFUSED)
    datastore.put("trips/n", obj_type="NightTrip", driver="dan", free=1)
    assert apply(NightForm, datastore, path, trip="n") is TaskState.DONE
    assert not datastore.exists(REFUSED)


def test_setters_know_the_target_and_the_sender(datastore: MemoryDatastore) -> None:
    path = "users/dan/seats_POST/f"
    assert apply(SeatForm, datastore, path, trip="t", seats=1) is TaskState.DONE
    assert problem(datastore, "users/dan/refused/f")["detail"] == "You drive."


def test_the_path_may_name_the_target(datastore: MemoryDatastore) -> None:
    assert apply(CancelForm, datastore, "trips/t/cancel_POST/f") is TaskState.DONE
    assert datastore.fields("trips/t")["free"] == 0
    assert apply(CancelForm, datastore, "trips/nowhere/cancel_POST/f") is TaskState.DONE
    assert problem(datastore, "trips/nowhere/refused/f")["status"] == 404


def test_one_root_is_named_and_another_is_new(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    path = "users/ada/tickets_POST/f"
    trip = reference_to(context, "trips/t")
    assert apply(TicketForm, datastore, path, trip=trip, seats=2) is TaskState.DONE
    ticket = Ticket.get_or_raise("f")
    assert (ticket.rider, ticket.seats, ticket.trip.path) == ("ada", 2, "trips/t")  # type: ignore[union-attr]
    assert datastore.fields("trips/t")["free"] == 2
    assert apply(TicketForm, datastore, path, trip=trip, seats=2) is TaskState.DONE
    assert problem(datastore)["detail"] == "f exists already"
    assert datastore.fields("trips/t")["free"] == 2


class Cart(DomainModel):
    class Meta:
        collection_name = "carts"


def declare(target: Any, *, store: Any = TripStore, **body: Any) -> type[Form]:
    meta = type("Meta", (), {"form_path": "users/{uid}/odd_POST/{form_id}", "target": target})
    made = type("OddForm", (Form,), {"__annotations__": {"store": store}, "Meta": meta, **body})
    assert issubclass(made, Form)
    return made


def begin(cls: type[Form], doc_id: str) -> Any:
    raise AssertionError("is never called")


REFUSED_DECLARATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no such field": (
        {"target": "trpi", "trip": attrs.bproperty()},
        r"OddForm\.Meta\.target names 'trpi', which is neither a field of the form nor a "
        r"placeholder of Meta\.form_path; did you mean 'trip'\?",
    ),
    "a number": (
        {"target": "trip", "trip": attrs.bproperty(int)},
        r"OddForm\.trip, which is int: expected an id \(str\), or attrs\.relation\(Trip\)",
    ),
    "a list of references": (
        {"target": "trip", "trip": attrs.relation(Trip, many=True)},
        "a list or a dict of a reference: expected an id",
    ),
    "a reference to another model": (
        {"target": "trip", "trip": attrs.relation(Cart)},
        "refers to a Cart, and the root trip is a Trip",
    ),
    "a field that input may not set": (
        {"target": "trip", "trip": attrs.bproperty(import_enabled=False)},
        "names 'trip', which input may not set",
    ),
    "a field and a placeholder": (
        {"target": "uid", "uid": attrs.bproperty()},
        "which is a field of the form and a placeholder",
    ),
    "no name": ({"target": 3}, "Meta.target is 3: expected the name of a field, or a mapping"),
    "nothing": ({"target": {}}, "expected the name of a field"),
    "no such root": (
        {"target": {"trop": "trip"}, "trip": attrs.bproperty()},
        "has 'trop', which is no root of the store; there are trip; did you mean 'trip'",
    ),
    "one of two roots": (
        {"target": "trip", "trip": attrs.bproperty(), "store": TicketStore},
        r"the form has 2 roots \(ticket, trip\): write a mapping",
    ),
    "its own begin": (
        {"target": "trip", "trip": attrs.bproperty(), "begin": classmethod(begin)},
        r"and so does its begin\(\): leave one out",
    ),
}


@pytest.mark.parametrize("case", REFUSED_DECLARATIONS)
def test_a_target_that_cannot_be_is_refused_when_declared(case: str) -> None:
    body, said = REFUSED_DECLARATIONS[case]
    with pytest.raises(DeclarationError, match=said):
        declare(**body)


class SeasonStore(TripStore):
    season = param(str)


class ThreeStore(TicketStore):
    cart = root(Cart)


@pytest.mark.parametrize(
    ("store", "target", "said"),
    [(SeasonStore, {"trip": "trip"}, "season"), (ThreeStore, {"trip": "trip"}, "cart, ticket")],
)
def test_what_nothing_names_is_refused_when_a_mediator_is_made(
    store: type[Store], target: Any, said: str
) -> None:
    form_cls = declare(target, store=store, trip=attrs.bproperty())
    with pytest.raises(ConfigurationError, match=f"leaves {said} open"):
        QueryTaskMediator(form_cls)


def test_a_model_may_be_declared_later() -> None:
    form_cls = declare("trip", trip=attrs.relation("DeclaredNowhereYet"))
    assert form_cls.meta("target") == "trip"
