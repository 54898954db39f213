"""Forms about documents that their fields name, on a real Firestore."""

from __future__ import annotations

from typing import Any

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DomainModel,
    Form,
    QueryTaskMediator,
    Store,
    attrs,
    root,
)
from flask_boiler.testing import Settle


class Bench(DomainModel):
    seats: Attr[int]


class BenchStore(Store):
    bench = root(Bench)


class SeatingForm(Form):
    store: BenchStore

    bench = attrs.relation(Bench)
    people: Attr[int] = attrs.bproperty()

    class Meta:
        form_path = "users/{uid}/seatings_POST/{seating_id}"
        refusal_path = "users/{uid}/refusals/{seating_id}"
        target = "bench"

    @people.setter
    def _set_people(self, value: int) -> None:
        self.store.bench.seats -= value


def send(form_id: str, **fields: Any) -> None:
    CTX.db.document(f"users/ada/seatings_POST/{form_id}").set(fields)


def test_a_form_changes_the_document_that_it_names_or_is_refused(
    boiler: Boiler, settle: Settle
) -> None:
    mediator = boiler.add(QueryTaskMediator(SeatingForm))
    Bench(doc_id="b", seats=5).save()
    there, elsewhere = (CTX.db.document(path) for path in ("Bench/b", "Bench/gone"))
    with boiler:
        send("f1", bench=there, people=2)
        send("f2", bench=there, people=1)
        send("f3", bench=elsewhere, people=1)
        send("f4", people=1)
        settle()
        assert Bench.get_or_raise("b").seats == 2
        problems = {
            refusal.id: refusal.get("problem.errors")
            for refusal in CTX.db.collection("users/ada/refusals").stream()
        }
        assert problems == {
            "f3": {"bench": ["There is no Bench 'Bench/gone'."]},
            "f4": {"bench": ["Missing data for required field."]},
        }
        # The document that was missing was read: once it is there, the next form finds it.
        Bench(doc_id="gone", seats=1).save()
        send("f5", bench=elsewhere, people=1)
        settle()
    assert Bench.get_or_raise("gone").seats == 0
    assert mediator.statistics.parked == 0
