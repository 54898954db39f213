"""The subject of a view: its texts, the keys that name it from outside, and its place."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    ValidationError,
)
from flask_boiler.ground.naming import id_fault
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import SEPARATOR, ViewSubject


class Reader(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")


class Hall(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    readers = attrs.relation(Reader, many=True)


class Shelf(DomainModel):
    """One of those below halls, whose ids are not enough to tell them apart."""

    class Meta:
        collection_name = "shelves"
        parent = Hall


class Term(enum.Enum):
    AUTUMN = "autumn"
    SPRING = "2"


def view_of(store_cls: type[Store], path: str | None = None, **members: Any) -> type[ViewModel]:
    given: dict[str, Any] = {"__annotations__": {"store": store_cls}, **members}
    if path is not None:
        given["Meta"] = type("Meta", (), {"path": path})
    return type("HallView", (ViewModel,), {**given, "__module__": __name__})


class HallStore(Store):
    hall = root(Hall)


class ShelfStore(Store):
    shelf = root(Shelf)


class NoStore(Store):
    pass


class TermStore(Store):
    term = param(Term)


class ReaderStore(Store):
    hall = root(Hall)

    @each(Reader)
    def reader(self) -> Any:
        return self.hall.readers


class IdStore(Store):
    """Members that are ids, below a root that is named by its path."""

    shelf = root(Shelf)
    label = each(str, source=lambda store: ["a", "b c"])


class TwoStore(Store):
    hall = root(Hall)
    reader = root(Reader)


class AllStore(Store):
    shelf = root(Shelf)
    other = root(Reader)
    term = param(Term)
    year = param(int)
    day = param(datetime.date)
    note = param(str)
    member = each(Reader, source=lambda store: ["ann", "bob"])


KINDS: dict[str, tuple[type[Store], dict[str, str], str, str]] = {
    "one root": (HallStore, {"hall": "h1"}, "h1", "Hall/h1"),
    "one root below others": (
        ShelfStore,
        {"shelf": "Hall/h1/shelves/s"},
        "Hall/h1/shelves/s",
        "Hall/h1/shelves/s",
    ),
    "nothing": (NoStore, {}, "", ""),
    "a value": (TermStore, {"term": "2"}, "2", "2"),
    "a member": (ReaderStore, {"hall": "h1", "reader": "ann"}, "h1//ann", "Hall/h1//Reader/ann"),
    "a member by id": (
        IdStore,
        {"shelf": "Hall/h1/shelves/s", "label": "b c"},
        "Hall/h1/shelves/s//b c",
        "Hall/h1/shelves/s//b c",
    ),
    "two roots": (TwoStore, {"hall": "x", "reader": "x"}, "x//x", "Hall/x//Reader/x"),
    "all": (
        AllStore,
        {
            **{"shelf": "Hall/h/shelves/s", "other": "o", "term": "autumn", "year": "-3"},
            **{"day": "2024-02-29", "note": "n", "member": "bob"},
        },
        "Hall/h/shelves/s//o//autumn//-3//2024-02-29//n//bob",
        "Hall/h/shelves/s//Reader/o//autumn//-3//2024-02-29//n//Reader/bob",
    ),
}


@pytest.mark.parametrize(("store_cls", "named", "key", "identity"), KINDS.values(), ids=KINDS)
def test_a_key_names_a_subject(
    store_cls: type[Store], named: dict[str, str], key: str, identity: str
) -> None:
    subject = ViewSubject(view_of(store_cls))
    assert list(subject.slots) == list(named)
    assert subject.key(named) == key
    assert subject.arguments(key) == named
    assert subject.identity(key) == identity


def test_the_subject_of_a_root_alone_is_a_document() -> None:
    subject = ViewSubject(view_of(HallStore))
    assert subject.is_document
    assert (subject.name, subject.model, subject.roots) == ("hall", Hall, ["hall"])
    assert subject.names_from_outside() == {"doc_id": "hall", "hall": "hall", "hall_id": "hall"}
    for name in ("doc_id", "hall", "hall_id"):
        assert subject.key({name: "h1"}) == "h1"
    subject.require_document("a patch")


@pytest.mark.parametrize(
    ("store_cls", "of"),
    [
        (NoStore, "nothing, as there is one"),
        (TermStore, "term"),
        (ReaderStore, "hall, reader"),
        (TwoStore, "hall, reader"),
    ],
)
def test_no_other_subject_is_a_document(store_cls: type[Store], of: str) -> None:
    subject = ViewSubject(view_of(store_cls))
    assert not subject.is_document
    assert not subject.built_from_model
    with pytest.raises(
        ConfigurationError,
        match=f"^posting is for views of one root alone, and HallView is of {of}$",
    ):
        subject.require_document("posting")


def test_several_roots_or_none_are_not_named_by_one_id() -> None:
    for store_cls, said in (
        (TwoStore, r"2 roots \(hall, reader\)"),
        (TermStore, r"0 roots \(none"),
    ):
        with pytest.raises(
            ConfigurationError, match=f"HallView has {said}.*so an id is not enough"
        ):
            _ = ViewSubject(view_of(store_cls)).name


def test_each_slot_has_its_names_from_outside() -> None:
    assert ViewSubject(view_of(AllStore)).names_from_outside() == {
        **{"shelf": "shelf", "shelf_id": "shelf", "other": "other", "other_id": "other"},
        **{"term": "term", "year": "year", "day": "day", "note": "note"},
        **{"member": "member", "member_id": "member"},
    }
    assert "label_id" not in ViewSubject(view_of(IdStore)).names_from_outside()


def test_a_reference_is_meant_by_its_own_name_first() -> None:
    class OldStore(Store):
        city_id = reference(Hall)
        city = reference(Reader)

    subject = ViewSubject(view_of(OldStore))
    assert subject.names_from_outside()["city_id"] == "city_id"
    assert subject.identity(subject.key({"city_id": "h", "city": "r"})) == "Hall/h//Reader/r"


def test_parameters_are_taken_as_json_has_them() -> None:
    subject = ViewSubject(view_of(AllStore))
    texts = dict(KINDS["all"][1])
    values = {**texts, "year": -3, "day": datetime.date(2024, 2, 29), "term": Term.AUTUMN}
    assert subject.key(values) == subject.key(texts)


@pytest.mark.parametrize(
    ("store_cls", "arguments", "wrong"),
    [
        (HallStore, {}, {"doc_id": ["Missing."]}),
        (HallStore, {"hal": "h"}, {"hal": ["did you mean 'hall'"], "doc_id": ["Missing."]}),
        (HallStore, {"doc_id": "h", "hall": "h"}, {"hall": ["The same as doc_id: give one"]}),
        (HallStore, {"doc_id": 5}, {"doc_id": ["5"]}),
        (HallStore, {"doc_id": "a/b"}, {"doc_id": ["slash"]}),
        (ShelfStore, {"shelf": "s"}, {"shelf": ["not a path of a Shelf"]}),
        (ShelfStore, {"shelf": "Hall//shelves/s"}, {"shelf": ["not a path of a Shelf"]}),
        (NoStore, {"x": "1"}, {"x": ["Unknown argument; there are none."]}),
        (TermStore, {"term": "winter"}, {"term": ["Expected one of autumn, 2"]}),
        (TermStore, {"term": None}, {"term": ["Expected one of autumn, 2"]}),
        (TermStore, {"doc_id": "2"}, {"doc_id": ["Unknown"], "term": ["Missing."]}),
        (ReaderStore, {"hall_id": "h"}, {"reader": ["Missing."]}),
        (ReaderStore, {"hall": "a/b", "reader": ""}, {"hall": ["slash"], "reader": ["id"]}),
        (ReaderStore, {"hall": "h", "reader": "r", "reader_id": "r"}, {"reader_id": ["The same"]}),
        (IdStore, {"shelf": "Hall/h/shelves/s", "label": "a//b"}, {"label": ["slash"]}),
        (IdStore, {"shelf": "Hall/h/shelves/s", "label": 5}, {"label": ["Expected a text."]}),
        (AllStore, {**KINDS["all"][1], "year": "05"}, {"year": ["Expected '5'"]}),
        (AllStore, {**KINDS["all"][1], "year": 1.5}, {"year": ["Expected a value of type int"]}),
        (AllStore, {**KINDS["all"][1], "note": "a//b"}, {"note": ["slash"]}),
    ],
)
def test_what_is_wrong_with_arguments_is_said_of_each(
    store_cls: type[Store], arguments: dict[str, Any], wrong: dict[str, list[str]]
) -> None:
    with pytest.raises(ValidationError) as refused:
        ViewSubject(view_of(store_cls)).key(arguments)
    assert refused.value.messages.keys() == wrong.keys()
    for name, [part] in wrong.items():
        assert part in " ".join(refused.value.messages[name])


@pytest.mark.parametrize(
    ("store_cls", "key"),
    [
        (NoStore, "x"),
        (NoStore, "//"),
        (TermStore, ""),
        (TermStore, "autumn//autumn"),
        (TermStore, "Autumn"),
        (ReaderStore, "h"),
        (ReaderStore, "h//"),
        (ReaderStore, "//r"),
        (ReaderStore, "h//r//x"),
        (ReaderStore, "h///r"),
        (ReaderStore, "h/r"),
        (ReaderStore, "Hall/h//r"),
        (ReaderStore, 5),
        (IdStore, "s//a"),
        (IdStore, "Hall/h/shelves/s///a"),
        (HallStore, ""),
        (HallStore, "Hall/h"),
        (ShelfStore, "Reader/r"),
    ],
)
def test_what_is_no_key_is_refused(store_cls: type[Store], key: Any) -> None:
    with pytest.raises(ValidationError):
        ViewSubject(view_of(store_cls)).identity(key)


# --- no two subjects have one text ---------------------------------------------------------

TEXTS = st.text(alphabet="a/_.-:é2", min_size=1, max_size=6)
IDS = TEXTS.filter(lambda text: id_fault(text) is None)
SHELVES = st.tuples(IDS, IDS).map(lambda ids: f"Hall/{ids[0]}/shelves/{ids[1]}")
NAMES = {
    "hall": IDS,
    "shelf": SHELVES,
    "reader": IDS,
    "other": IDS,
    "member": IDS,
    "label": IDS,
    "term": st.sampled_from([term.value for term in Term]),
    "year": st.integers().map(str),
    "day": st.dates().map(str),
    "note": IDS,
}
STORES = [HallStore, ShelfStore, NoStore, TermStore, ReaderStore, IdStore, TwoStore, AllStore]
SUBJECTS = {store_cls: ViewSubject(view_of(store_cls)) for store_cls in STORES}


def named_in(store_cls: type[Store]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(
        {slot.name: NAMES[slot.name] for slot in store_cls.subject_slots()}
    )


PAIRS = st.sampled_from(STORES).flatmap(
    lambda store_cls: st.tuples(st.just(store_cls), named_in(store_cls), named_in(store_cls))
)


@given(PAIRS)
def test_different_subjects_have_different_texts(
    drawn: tuple[type[Store], dict[str, str], dict[str, str]],
) -> None:
    store_cls, one, other = drawn
    subject = SUBJECTS[store_cls]
    keys = [subject.key(named) for named in drawn[1:]]
    identities = [subject.identity(key) for key in keys]
    assert (keys[0] == keys[1]) is (one == other)
    assert (identities[0] == identities[1]) is (one == other)
    assert [subject.arguments(key) for key in keys] == [one, other]


@given(PAIRS)
def test_the_values_of_a_subject_have_its_text(
    drawn: tuple[type[Store], dict[str, str], dict[str, str]],
) -> None:
    store_cls, named, _ = drawn
    subject = SUBJECTS[store_cls]
    identity = subject.identity(subject.key(named))
    values = subject.values(identity)
    parts = [slot.part_of(values[name]) for name, slot in subject.slots.items()]
    assert SEPARATOR.join(parts) == identity


@given(st.sampled_from(STORES), st.lists(TEXTS, max_size=7))
def test_what_comes_from_outside_names_no_other_subject(
    store_cls: type[Store], texts: list[str]
) -> None:
    subject = SUBJECTS[store_cls]
    given_texts = dict(zip(subject.slots, texts, strict=False))
    try:
        key = subject.key(given_texts)
    except ValidationError:
        return
    assert subject.arguments(key) == given_texts


@given(st.sampled_from(STORES), TEXTS)
def test_a_key_is_the_key_of_its_arguments(store_cls: type[Store], text: str) -> None:
    subject = SUBJECTS[store_cls]
    try:
        identity = subject.identity(text)
    except ValidationError:
        return
    arguments = subject.arguments(text)
    assert subject.key(arguments) == text
    assert subject.identity(subject.key(arguments)) == identity


# --- views ---------------------------------------------------------------------------------


@pytest.fixture
def datastore(memory: MemoryDatastore) -> Iterator[MemoryDatastore]:
    for name in ("ann", "bob", "o", "x"):
        Reader.new(doc_id=name, name=name.title()).save()
    Hall.new(doc_id="h1", title="Hall", readers=["ann", "bob"]).save()
    Hall.new(doc_id="x", title="X").save()
    memory.put("Hall/h1/shelves/s", obj_type="Shelf")
    memory.put("Hall/h/shelves/s", obj_type="Shelf")
    yield memory


@pytest.mark.parametrize(("store_cls", "named", "key", "identity"), KINDS.values(), ids=KINDS)
def test_a_view_is_opened_by_its_key_and_built_of_its_subject(
    store_cls: type[Store],
    named: dict[str, str],
    key: str,
    identity: str,
    datastore: MemoryDatastore,
) -> None:
    subject = ViewSubject(view_of(store_cls))
    subject.require_buildable()
    assert subject.exists(key)
    for view in (subject.open(key), subject.build(identity)):
        held = {name: getattr(view.store, name) for name in named}
        assert [slot.part_of(held[name]) for name, slot in subject.slots.items()] == (
            identity.split(SEPARATOR) if identity else []
        )
        assert subject.key_of_view(view) == key


@pytest.mark.parametrize(
    ("store_cls", "key", "missing"),
    [
        (HallStore, "none", "Hall/none"),
        (ReaderStore, "none//ann", "Hall/none"),
        (ReaderStore, "h1//none", "there is no reader Reader/none"),
        (ReaderStore, "h1//x", "there is no reader Reader/x"),
        (IdStore, "Hall/h1/shelves/s//c", "there is no label c"),
        (TwoStore, "x//none", "Reader/none"),
    ],
)
def test_what_is_missing_is_said(
    store_cls: type[Store], key: str, missing: str, datastore: MemoryDatastore
) -> None:
    subject = ViewSubject(view_of(store_cls))
    assert not subject.exists(key)
    with pytest.raises(DocumentNotFoundError, match=missing):
        subject.open(key)


def test_the_rest_is_forgotten_and_the_roots_are_kept(datastore: MemoryDatastore) -> None:
    subject = ViewSubject(view_of(ReaderStore))
    view = subject.open("h1//ann")
    hall, reader = view.store.hall, view.store.reader
    Reader.get_or_raise("ann").update(name="Anna")
    subject.forget_rest(view)
    assert view.store.hall is hall
    assert view.store.reader is not reader
    assert view.store.reader.name == "Anna"


# --- places --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store_cls", "path", "key", "place"),
    [
        (HallStore, "hallPages/{hall.doc_id}", "h1", "hallPages/h1"),
        (NoStore, "pages/front", "", "pages/front"),
        (TermStore, "terms/{term}", "2", "terms/2"),
        (ReaderStore, "h/{hall.doc_id}/r/{reader.doc_id}", "h1//ann", "h/h1/r/ann"),
        (TwoStore, "x/{reader.doc_id}/y/{hall.doc_id}", "a//b", "x/b/y/a"),
        (TwoStore, "x/{reader.doc_id}-{hall.doc_id}", "a//b", None),
        (TwoStore, "x/{reader.doc_id}", "a//b", None),
        (HallStore, "hallPages/{hall.title}", "h1", None),
        (HallStore, "hallPages/{hall.doc_id!s}", "h1", None),
        (TermStore, "terms/{term:>9}", "2", None),
        (ShelfStore, "shelves_of/{shelf.doc_id}", "Hall/h1/shelves/s", None),
        (IdStore, "labels/{label}", "Hall/h1/shelves/s//a", None),
    ],
)
def test_the_place_follows_from_the_key_where_it_can(
    store_cls: type[Store], path: str, key: str, place: str | None, datastore: MemoryDatastore
) -> None:
    subject = ViewSubject(view_of(store_cls, path))
    assert subject.stored_place(key) == place
    if place is not None and store_cls is not TwoStore:
        assert subject.open(key).places() == [place]


def test_a_place_that_is_said_in_code_may_be_anywhere() -> None:
    in_code = view_of(HallStore, "hallPages/{hall.doc_id}", doc_refs=property(lambda view: []))
    assert ViewSubject(in_code).stored_place("h1") is None
    assert ViewSubject(view_of(HallStore)).stored_place("h1") is None


# --- a new of the class's own --------------------------------------------------------------


def by_snapshot(cls: Any, snapshot: Any) -> Any:
    return cls(store=HallStore(hall=snapshot))


def test_a_view_with_a_new_of_its_own_is_of_one_root(datastore: MemoryDatastore) -> None:
    subject = ViewSubject(view_of(HallStore, new=classmethod(by_snapshot)))
    assert subject.is_document
    assert not subject.built_from_model
    assert subject.open("h1").store.hall.title == "Hall"
    with pytest.raises(ConfigurationError, match=r"has its own new\(\), so the default cannot"):
        subject.open_model(Hall.new(doc_id="new"))


@pytest.mark.parametrize(
    ("store_cls", "why"),
    [
        (NoStore, r"HallView has 0 roots \(none\), so an id is not enough to name a view"),
        (TermStore, r"HallView has 0 roots \(none\)"),
        (TwoStore, r"HallView has 2 roots \(hall, reader\)"),
        (
            ReaderStore,
            r"HallView has a new\(\) of its own, which is called with one document, and a view of "
            r"ReaderStore is of reader besides: remove new\(\), or annotate `store`",
        ),
    ],
)
def test_of_nothing_else(store_cls: type[Store], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        ViewSubject(view_of(store_cls, new=classmethod(by_snapshot)))


def test_a_root_that_does_not_say_its_model_is_refused() -> None:
    class AnyStore(Store):
        thing = reference()

    with pytest.raises(
        ConfigurationError,
        match=r"AnyStore\.thing, of which a HallView is, does not say which domain model it is",
    ):
        ViewSubject(view_of(AnyStore))


def test_a_root_is_a_model_that_is_not_stored_yet(datastore: MemoryDatastore) -> None:
    subject = ViewSubject(view_of(HallStore))
    assert subject.built_from_model
    assert subject.open_model(Hall.new(doc_id="new", title="New")).store.hall.title == "New"
    with pytest.raises(ConfigurationError, match="is for views of one root alone"):
        ViewSubject(view_of(ReaderStore)).open_model(Hall.new(doc_id="new"))
