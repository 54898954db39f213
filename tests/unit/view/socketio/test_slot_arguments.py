"""The arguments by which clients name views of each kind, and what is refused."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, DocumentNotFoundError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.mediation.problems import problem_details
from flask_boiler.view.socketio.arguments import ViewArguments
from flask_boiler.view.socketio.slot_arguments import SlotArguments
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.unit.memory import memory_context


class Patron(DomainModel):
    nickname: Attr[str]


class Parlour(DomainModel):
    guests: Attr[list[str]]


class Stage(Enum):
    FIRST = 1
    SECOND = 2


class HallStore(Store):
    hall = root(Parlour)


class HallView(ViewModel):
    store: HallStore


class GuestStore(Store):
    hall = root(Parlour)
    guest = each(Patron, source=lambda store: store.hall.guests)


class GuestView(ViewModel):
    store: GuestStore

    nickname: Attr[str] = attrs.through("guest.nickname")


class EveningStore(Store):
    hall = root(Parlour)
    other_hall = root(Parlour)
    day = param(datetime.date)
    seat = param(int)
    late = param(bool)
    ticket = param(uuid.UUID)
    stage = param(Stage)
    guest_name = each(str, source=lambda store: store.hall.guests)


class EveningView(ViewModel):
    store: EveningStore

    guest_name: Attr[str] = attrs.bproperty(default="")


class LobbyView(ViewModel):
    """A view that there is one of."""

    store: Store


TICKET = "6f3d5b1e-8a70-4a0c-9f57-0d5b8f6f2f11"
EVENING: dict[str, Any] = {
    "hall": "h",
    "other_hall": "i",
    "day": "2026-02-28",
    "seat": 7,
    "late": False,
    "ticket": TICKET,
    "stage": 2,
    "guest_name": "ann",
}


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Parlour/h", guests=["ann", "bob", "ghost"])
        datastore.put("Patron/ann", nickname="Annie")
        datastore.put("Patron/eve", nickname="Evie")
        yield datastore


def refusals(view_cls: type[ViewModel], given: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused:
        ViewArguments(view_cls).checked(given)
    return refused.value.messages


def text_of(view_cls: type[ViewModel], given: dict[str, Any]) -> str:
    arguments = ViewArguments(view_cls)
    return arguments.canonical(given, arguments.checked(given))


def test_a_view_of_each_kind_has_an_argument_for_each_slot() -> None:
    assert list(ViewArguments(HallView).fields) == ["doc_id"]
    assert list(ViewArguments(GuestView).fields) == ["hall", "guest"]
    assert list(ViewArguments(EveningView).fields) == list(EVENING)
    assert list(ViewArguments(LobbyView).fields) == []


def test_arguments_are_the_parts_of_a_key() -> None:
    arguments = SlotArguments(ViewSubject(EveningView))
    texts = arguments.checked(EVENING)
    key = f"h//i//2026-02-28//7//false//{TICKET}//2//ann"
    assert arguments.key_of(texts) == key
    assert list(ViewSubject(EveningView).arguments(key).values()) == list(texts.values())
    assert SlotArguments(ViewSubject(LobbyView)).key_of({}) == ""


@pytest.mark.parametrize(
    "given",
    [
        {"other_hall": None, "other_hall_id": "i"},
        {"ticket": TICKET.upper()},
        {"ticket": f"{{{TICKET}}}"},
        {"seat": 7.0},
    ],
)
def test_two_spellings_name_one_view(given: dict[str, Any]) -> None:
    spelt = {name: value for name, value in {**EVENING, **given}.items() if value is not None}
    assert repr(spelt) != repr(EVENING)
    assert text_of(EveningView, spelt) == text_of(EveningView, EVENING)


def test_another_value_names_another_view() -> None:
    others = [{**EVENING, "seat": 8}, {**EVENING, "late": True}, {**EVENING, "hall": "i"}]
    assert len({text_of(EveningView, given) for given in (EVENING, *others)}) == 4


@pytest.mark.parametrize("name", ["doc_id", "hall", "hall_id"])
def test_a_view_of_one_root_has_one_argument_by_any_name(name: str) -> None:
    assert ViewArguments(HallView).named({name: "h"}) == {"doc_id": "h"}
    assert text_of(HallView, {name: "h"}) == text_of(HallView, {"doc_id": "h"})


def test_two_names_of_one_slot_are_refused() -> None:
    wrong = {"hall": "h", "hall_id": "i", "guest_id": "ann"}
    assert refusals(GuestView, wrong) == {"hall_id": ["It is the same as hall: give one of them."]}
    assert refusals(HallView, {"doc_id": "h", "hall": "h"}).keys() == {"hall"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seat": "7"}, "Not a valid integer"),
        ({"seat": True}, "Not a valid integer"),
        ({"late": "no"}, "Not a valid boolean"),
        ({"day": "28.2.2026"}, "Not a valid date"),
        ({"day": "2026-02-30"}, "Not a valid date"),
        ({"ticket": "x"}, "Not a valid UUID"),
        ({"stage": 3}, "Must be one of: 1, 2"),
        ({"guest_name": ""}, "empty"),
        ({"guest_name": "a/b"}, "slash"),
        ({"guest_name": 5}, "Not a valid string"),
        ({"other_hall": "Parlour/h"}, "slash"),
        ({"other_hall": None}, "null"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    messages = refusals(EveningView, {**EVENING, **wrong})
    assert messages.keys() == wrong.keys()
    assert said in str(messages)


def test_all_that_is_wrong_is_named_as_the_client_calls_it() -> None:
    given = {"hal": "h", "seat": "x", "guest_name": "a/b"}
    with pytest.raises(ValidationError) as refused:
        ViewArguments(EveningView).checked(given)
    # The view's attribute of that name has another one in JSON.
    details = problem_details(refused.value, {"guest_name": "guestName"})
    missing = {"hall", "other_hall", "day", "late", "ticket", "stage"}
    assert details["errors"].keys() == {"hal", "seat", "guest_name"} | missing
    assert details["errors"]["hal"][0].endswith("guest_name; did you mean 'hall'?")
    assert refusals(LobbyView, {"doc_id": "x"}) == {"doc_id": ["Unknown argument; there are none."]}


def test_a_reference_called_like_another_one_s_further_name_keeps_its_name() -> None:
    class OddStore(Store):
        hall_id = reference(Parlour)
        hall = reference(Parlour)

    class OddView(ViewModel):
        store: OddStore

    given = {"hall_id": "a", "hall": "b"}
    assert ViewArguments(OddView).checked(given) == given


def test_a_view_is_built_for_a_member_only(datastore: MemoryDatastore) -> None:
    arguments = ViewArguments(GuestView)

    def built(guest: str) -> Any:
        return arguments.build(arguments.checked({"hall": "h", "guest": guest}))

    assert built("ann").nickname == "Annie"
    # Who has no document, and who is none of the members.
    for stranger in ("ghost", "eve"):
        with pytest.raises(DocumentNotFoundError) as refused:
            built(stranger)
        assert refused.value.path == f"Patron/{stranger}"


def test_a_model_for_doc_id_is_for_views_that_have_one() -> None:
    class OpenStore(Store):
        hall = reference()

    class OpenView(ViewModel):
        store: OpenStore

    assert ViewArguments(OpenView, Parlour).checked({"doc_id": "h"}) == {"doc_id": "h"}
    with pytest.raises(ConfigurationError, match="does not say which domain model"):
        ViewArguments(OpenView)
    with pytest.raises(ConfigurationError, match="root= is for views of one root alone"):
        ViewArguments(GuestView, Parlour)
