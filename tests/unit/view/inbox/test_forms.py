"""Forms: filled in from documents, submitted, or refused where their senders look."""

# mypy: disable-error-code="no-redef"
# A setter is spelled like a property's, which mypy understands of properties alone.

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import grpc
import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.operators import F
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import (
    ConfigurationError,
    DeclarationError,
    PermissionDeniedError,
    QueryError,
    RefusedError,
    UnavailableError,
    UnstorableError,
    ValidationError,
)
from flask_boiler.ground.values import CommitResult
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.view.inbox.queue import FormQuery
from flask_boiler.view.mediation.inbox import TaskState
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from tests.unit.memory import memory_context


class Parcel(DomainModel):
    sender: Attr[str]
    weight_kg: Attr[int]
    label: Attr[str]

    class Meta:
        collection_name = "parcels"


class NewParcel(Store):
    parcel = reference(Parcel)


class ParcelForm(Form):
    store: NewParcel

    label = attrs.bproperty(required=True)
    weight_kg: Attr[int] = attrs.bproperty(required=True)

    class Meta:
        form_path = "users/{uid}/parcels_POST/{parcel_id}"
        refusal_path = "users/{uid}/refused/{parcel_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        return cls.new(parcel=Parcel.new(doc_id=doc_id, sender=placeholders["uid"]))

    @weight_kg.setter
    def weight_kg(self, value: int) -> None:
        if value > 30:
            # The label is set first, as it is declared first.
            raise RefusedError(f"{self.store.parcel.label} is too heavy")  # type: ignore[union-attr]
        self.store.parcel.weight_kg = value  # type: ignore[union-attr]

    @label.setter
    def label(self, value: str) -> None:
        if value == "broken":
            raise ZeroDivisionError("a mistake of the application's")
        if value == "like an older one":
            value = str(Parcel.get_or_raise("old").weight_kg)
        if value == "badly asked":
            raise QueryError("a query that there is not")
        if value == "not for this process":
            raise PermissionDeniedError("check the roles") from grpc.RpcError()
        if value == "secret":
            raise PermissionDeniedError("not from you")
        self.store.parcel.label = value  # type: ignore[union-attr]


class KeptParcelForm(ParcelForm):
    class Meta:
        form_path = "users/{uid}/kept_parcels_POST/{parcel_id}"
        refusal_path = form_path


@pytest.fixture
def context() -> Iterator[ApplicationContext]:
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    return found


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)


FORM = "users/ada/parcels_POST/p1"
REFUSAL = "users/ada/refused/p1"


def send(datastore: MemoryDatastore, path: str = FORM, **fields: Any) -> None:
    datastore.put(path, **fields)


def apply(path: str = FORM) -> TaskState:
    return QueryTaskMediator(ParcelForm).apply(path).state


def test_a_form_makes_its_model_and_is_gone(datastore: MemoryDatastore) -> None:
    send(datastore, weightKg=3, label="books")
    assert apply() is TaskState.DONE
    parcel = Parcel.get_or_raise("p1")
    assert (parcel.sender, parcel.weight_kg, parcel.label) == ("ada", 3, "books")
    assert not datastore.exists(FORM)
    assert not datastore.exists(REFUSAL)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"label": "books"}, 422, {"weightKg"}),
        ({"label": "books", "weightKg": "much"}, 422, {"weightKg"}),
        ({"label": "books", "weightKg": 3, "sender": "ben"}, 422, {"sender"}),
        ({}, 422, {"weightKg", "label"}),
        ({"weightKg": 31, "label": "stones"}, 409, "stones is too heavy"),
        ({"weightKg": 3, "label": "secret"}, 403, "not from you"),
    ],
)
def test_a_refused_form_changes_nothing_and_its_sender_is_told(
    datastore: MemoryDatastore, fields: dict[str, Any], status: int, said: Any
) -> None:
    send(datastore, **fields)
    assert apply() is TaskState.DONE
    told = datastore.fields(REFUSAL)
    assert told["form"] == fields
    assert told["problem"]["status"] == status
    assert said in (set(told["problem"].get("errors", ())), told["problem"]["detail"])
    assert not datastore.exists(FORM)
    assert not datastore.exists("parcels/p1")


@pytest.mark.parametrize(
    "label", ["broken", "like an older one", "badly asked", "not for this process"]
)
@pytest.mark.parametrize("stored", [{"weightKg": "much"}, {"weightKg": None}, {}])
def test_what_is_no_fault_of_the_senders_is_parked_and_no_refusal(
    datastore: MemoryDatastore, label: str, stored: dict[str, Any]
) -> None:
    datastore.put("parcels/old", **stored)
    send(datastore, weightKg=3, label=label)
    assert apply() is TaskState.PARKED
    assert not datastore.exists(REFUSAL)
    assert datastore.exists(FORM)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_who_sent_what_is_dropped_is_told_as_far_as_there_is_room(
    datastore: MemoryDatastore, failures: int
) -> None:
    send(datastore, weightKg=3, label="broken")
    assert apply() is TaskState.PARKED
    datastore.mishaps.extend([refuse] * failures)
    assert QueryTaskMediator(ParcelForm).drop(FORM)
    assert not datastore.exists(FORM)
    told = datastore.fields(REFUSAL) or {}
    assert sorted(told) == [["form", "problem"], ["problem"], []][failures]
    assert not told or "dropped" in told["problem"]["detail"]


def test_a_form_that_lies_elsewhere_is_dropped_all_the_same(datastore: MemoryDatastore) -> None:
    path = "cities/SF/parcels_POST/p1"
    send(datastore, path, weightKg=3, label="books")
    assert apply(path) is TaskState.PARKED
    assert QueryTaskMediator(ParcelForm).drop(path)
    assert not datastore.exists(path)


def test_nobody_is_refused_for_what_was_not_so(
    datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastore.put("parcels/p1", label="an older one")
    send(datastore, weightKg=3, label="books")
    submit = Form.submit

    def submit_as_the_older_one_goes(form: Form) -> None:
        try:
            submit(form)
        finally:
            datastore.drop("parcels/p1")

    monkeypatch.setattr(Form, "submit", submit_as_the_older_one_goes)
    assert apply() is TaskState.DONE
    assert not datastore.exists(REFUSAL)
    assert Parcel.get_or_raise("p1").label == "books"


def test_what_is_there_already_is_not_replaced(datastore: MemoryDatastore) -> None:
    datastore.put("parcels/p1", label="an older one")
    send(datastore, weightKg=3, label="books")
    assert apply() is TaskState.DONE
    assert datastore.fields("parcels/p1") == {"label": "an older one"}
    assert datastore.fields(REFUSAL)["problem"]["status"] == 409


def test_a_form_that_is_kept_says_itself_why_it_is_refused(datastore: MemoryDatastore) -> None:
    path = "users/ada/kept_parcels_POST/p1"
    mediator = QueryTaskMediator(KeptParcelForm, mark="ledger")
    send(datastore, path, weightKg=31, label="stones")
    assert mediator.apply(path).state is TaskState.DONE
    assert mediator.apply(path).state is TaskState.GONE, "its own answer is no new form"
    kept = datastore.fields(path)
    assert kept["problem"]["detail"] == "stones is too heavy"
    send(datastore, path, **{**kept, "weightKg": 1})
    assert mediator.apply(path).state is TaskState.DONE
    assert Parcel.get_or_raise("p1").weight_kg == 1


def refuse(act: Callable[[], CommitResult]) -> CommitResult:
    """What Firestore does to a commit that is too large."""
    raise UnstorableError({"document": ["projects/secret is too large"]})


def test_a_form_that_cannot_be_stored_is_refused_without_what_was_too_much(
    datastore: MemoryDatastore,
) -> None:
    send(datastore, weightKg=3, label="books")
    datastore.mishaps.append(refuse)
    assert apply() is TaskState.DONE
    told = datastore.fields(REFUSAL)
    assert list(told) == ["problem"]
    assert (told["problem"]["status"], "secret" in str(told)) == (422, False)
    assert not datastore.exists(FORM)
    assert not datastore.exists("parcels/p1")


def test_a_refusal_beside_which_the_form_has_no_room_says_its_reason_alone(
    datastore: MemoryDatastore,
) -> None:
    send(datastore, weightKg="three", label="books")
    datastore.mishaps.append(refuse)
    assert apply() is TaskState.DONE
    told = datastore.fields(REFUSAL)
    assert list(told) == ["problem"]
    assert list(told["problem"]["errors"]) == ["weightKg"]


def test_a_form_that_is_kept_and_cannot_be_stored_says_so_itself(
    datastore: MemoryDatastore,
) -> None:
    path = "users/ada/kept_parcels_POST/p1"
    mediator = QueryTaskMediator(KeptParcelForm, mark="ledger")
    send(datastore, path, weightKg=3, label="books")
    datastore.mishaps.append(refuse)
    assert mediator.apply(path).state is TaskState.DONE
    assert mediator.apply(path).state is TaskState.GONE
    kept = datastore.fields(path)
    assert (kept["label"], kept["problem"]["status"]) == ("books", 422)


def test_a_form_that_leaves_no_room_for_a_refusal_is_parked(datastore: MemoryDatastore) -> None:
    send(datastore, weightKg=3, label="books")
    datastore.mishaps.extend([refuse, refuse])
    assert apply() is TaskState.PARKED
    assert not datastore.exists(REFUSAL)
    assert datastore.exists(FORM)


def test_a_form_that_was_sent_anew_is_not_refused_for_what_it_was(
    datastore: MemoryDatastore,
) -> None:
    def refuse_as_it_is_sent_anew(act: Callable[[], CommitResult]) -> CommitResult:
        send(datastore, weightKg=4, label="shoes")
        return refuse(act)

    send(datastore, weightKg=3, label="books")
    datastore.mishaps.append(refuse_as_it_is_sent_anew)
    with pytest.raises(UnavailableError, match="written again"):
        apply()
    assert apply() is TaskState.DONE
    assert Parcel.get_or_raise("p1").label == "shoes"
    assert not datastore.exists(REFUSAL)


def test_a_form_elsewhere_is_none(datastore: MemoryDatastore) -> None:
    send(datastore, "cities/SF/parcels_POST/p1", weightKg=3, label="books")
    assert apply("cities/SF/parcels_POST/p1") is TaskState.PARKED


def test_forms_are_looked_for_where_they_lie(datastore: MemoryDatastore) -> None:
    class TopForm(ParcelForm):
        class Meta:
            form_path = "inbox/{parcel_id}"
            refusal_path = "refused/{parcel_id}"

    class BelowForm(ParcelForm):
        class Meta:
            form_path = "offices/SF/inbox/{parcel_id}"
            refusal_path = "refused/{parcel_id}"

    for path in ("inbox/a", "offices/SF/inbox/b", "offices/LA/inbox/c", "users/ada/parcels_POST/d"):
        send(datastore, path)
    found = {
        form_cls: [
            snapshot.path
            for target in FormQuery(form_cls).targets(datastore.codec)
            for snapshot in datastore.run_query(target)
        ]
        for form_cls in (TopForm, BelowForm, ParcelForm)
    }
    assert found == {
        TopForm: ["inbox/a"],
        BelowForm: ["offices/SF/inbox/b"],
        ParcelForm: ["users/ada/parcels_POST/d"],
    }


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"form_path": "users/{uid}/forms"}, "collection"),
        ({"form_path": "users//x/y"}, "no path pattern"),
        ({"form_path": "a/{b}", "refusal_path": "c/{d}"}, "d, which"),
        ({"refusal_path": "c/{d}"}, "d, which"),
    ],
)
def test_paths_that_make_no_sense_are_refused(meta: dict[str, str], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        type("OddForm", (Form,), {"Meta": type("Meta", (), meta), "__module__": __name__})


def test_a_form_whose_refusal_would_be_deleted_is_refused() -> None:
    class LostForm(ParcelForm):
        class Meta:
            refusal_path = None

    with pytest.raises(ConfigurationError, match="refusal_path"):
        QueryTaskMediator(LostForm)
    QueryTaskMediator(LostForm, mark={F("state"): "done"})


def test_a_form_by_itself(datastore: MemoryDatastore) -> None:
    send(datastore, weightKg=3, label="books")
    form = ParcelForm.of(datastore.get([FORM])[FORM])
    assert form.placeholders == {"uid": "ada", "parcel_id": "p1"}
    form.submit()
    assert Parcel.get_or_raise("p1").label == "books"
    with pytest.raises(ValidationError, match="weightKg"):
        form.fill({"label": "x"})
