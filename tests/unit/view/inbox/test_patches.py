"""What is a patch, what it is for, and how it is marked."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, ValidationError
from flask_boiler.firestore import protocol
from flask_boiler.ground.values import Snapshot, Write
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.inbox.patches import PatchCollection, Patches, PatchQueue
from flask_boiler.view.inbox.refusals import Refusal
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.firestore.salons import PATTERN, SalonMutation, SalonStore, SalonView
from tests.unit.memory import memory_context

PATH = "users/ada/SalonView_PATCH/p1"


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        yield datastore


def collection(patches: str | Patches = PATTERN) -> PatchCollection:
    declared = Patches(patches) if isinstance(patches, str) else patches
    return PatchCollection(declared, ViewSubject(SalonView))


def stored(datastore: MemoryDatastore, path: str = PATH, **fields: Any) -> Snapshot:
    datastore.put(path, **fields)
    return datastore.get([path])[path]


def asked(of: PatchCollection, datastore: MemoryDatastore) -> tuple[str, Any]:
    [target] = of.targets(datastore.codec)
    return target.parent, protocol.StructuredQuery.FromString(target.structured)


def test_a_pattern_is_listened_to_as_a_collection_group(datastore: MemoryDatastore) -> None:
    parent, query = asked(collection(), datastore)
    source = query.from_[0]
    assert (parent, source.collection_id, source.all_descendants) == ("", "SalonView_PATCH", True)


def test_a_plain_path_is_listened_to_as_it_is(datastore: MemoryDatastore) -> None:
    parent, query = asked(collection("users/ada/SalonView_PATCH"), datastore)
    source = query.from_[0]
    assert (parent, source.collection_id) == ("users/ada", "SalonView_PATCH")
    assert not source.all_descendants


def test_a_pending_field_narrows_what_is_listened_to(datastore: MemoryDatastore) -> None:
    _, query = asked(collection(Patches(PATTERN, pending="is new")), datastore)
    assert query.where.field_filter.field.field_path == "`is new`"
    assert query.where.field_filter.value.boolean_value is True


def test_a_proposal_knows_its_place_and_its_target(datastore: MemoryDatastore) -> None:
    of = collection()
    patch = stored(datastore, target_salon_id="s1", isOpen=True)
    assert not of.is_marked(patch, None)
    assert of.placeholders_of(PATH) == {"uid": "ada"}
    target, fields = of.proposed(patch)
    assert fields == {"isOpen": True}
    assert of.target_id(target) == "s1"
    # It waits for others of its target, whoever sent them.
    other = stored(datastore, "users/ben/SalonView_PATCH/p1", target_salon_id="s1")
    assert of.key.name(patch) == of.key.name(other)


def test_the_target_may_be_part_of_the_path(datastore: MemoryDatastore) -> None:
    of = collection(Patches("salons/{salon_id}/PATCH", target="salon_id"))
    patch = stored(datastore, "salons/s1/PATCH/p1", isOpen=True, salon_id="x")
    target, fields = of.proposed(patch)
    assert of.target_id(target) == "s1"
    # What is not the target is a field like any other, and will be refused.
    assert fields == {"isOpen": True, "salon_id": "x"}
    other = stored(datastore, "salons/s2/PATCH/p1", salon_id="x")
    assert of.key.name(patch) != of.key.name(other)


@pytest.mark.parametrize(
    ("patches", "path", "found"),
    [
        (PATTERN, PATH, [PATH, "users/ben/SalonView_PATCH/p2"]),
        ("patches", "patches/p", ["patches/p"]),
        (
            Patches("salons/{salon_id}/PATCH", target="salon_id"),
            "salons/s1/PATCH/p1",
            ["salons/s1/PATCH/p1"],
        ),
        (
            Patches("users/{uid}/salons/{salon_id}/PATCH", target="salon_id"),
            "users/ada/salons/s1/PATCH/p1",
            ["users/ada/salons/s1/PATCH/p1", "users/ben/salons/s1/PATCH/p2"],
        ),
    ],
)
def test_the_patches_of_one_target_are_found_wherever_they_lie(
    datastore: MemoryDatastore, patches: str | Patches, path: str, found: list[str]
) -> None:
    for other in (
        "users/ben/SalonView_PATCH/p2",
        "users/ben/salons/s1/PATCH/p2",
        "salons/s1/PATCH/p1",
    ):
        stored(datastore, other, target_salon_id="s1")
    for other in ("users/ada/SalonView_PATCH/q", "salons/s2/PATCH/p", "users/a/salons/s2/PATCH/p"):
        stored(datastore, other, target_salon_id="s2")
    queue = PatchQueue(collection(patches), datastore.codec)
    patch = stored(datastore, path, target_salon_id="s1")
    asked_for = [s for t in queue.of_key(patch) for s in datastore.run_query(t)]
    of_key = [s.path for s in asked_for if queue.key.name(s) == queue.key.name(patch)]
    assert of_key == found


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (PATH, {"result": {"status": "applied"}}),
        (PATH, {"error": None}),
        ("users/ada/rooms/r1/SalonView_PATCH/p1", {}),
        ("SalonView_PATCH/p1", {}),
    ],
)
def test_what_is_marked_or_elsewhere_is_no_proposal(
    datastore: MemoryDatastore, path: str, fields: dict[str, Any]
) -> None:
    patch = stored(datastore, path, target_salon_id="s1", **fields)
    assert collection().is_marked(patch, None)


def test_what_is_missing_is_no_proposal(datastore: MemoryDatastore) -> None:
    assert collection().is_marked(datastore.get([PATH])[PATH], None)


@pytest.mark.parametrize("pending", [None, False, "true"])
def test_what_is_not_pending_is_no_proposal(datastore: MemoryDatastore, pending: Any) -> None:
    of = collection(Patches(PATTERN, pending="pending"))
    assert of.is_marked(stored(datastore, target_salon_id="s1", pending=pending), None)
    assert of.is_marked(stored(datastore, target_salon_id="s1"), None)
    patch = stored(datastore, target_salon_id="s1", pending=True, isOpen=True)
    assert not of.is_marked(patch, None)
    assert of.proposed(patch) == ("s1", {"isOpen": True})


@pytest.mark.parametrize("target", [None, 7, "", "a/b", "..", "__x__", "x" * 1501, ["s1"]])
def test_a_target_that_is_no_id_is_refused_by_its_field(
    datastore: MemoryDatastore, target: Any
) -> None:
    of = collection()
    patch = stored(datastore, target_salon_id=target)
    given, _ = of.proposed(patch)
    with pytest.raises(ValidationError) as refused:
        of.target_id(given)
    assert list(refused.value.messages) == ["target_salon_id"]
    # It waits for nobody but others of the same nonsense.
    assert of.key.alone(patch) == (target is None)


def marking(of: PatchCollection, patch: Snapshot, refusal: Refusal | None = None) -> Write:
    """The write that marks a patch."""
    records: Any = None
    return of.write(patch, records, refusal)


def test_marks(datastore: MemoryDatastore) -> None:
    day = datetime.timedelta(days=1)
    of = collection(Patches(PATTERN, pending="pending", keep_for=day))
    snapshot = stored(datastore, pending=True)
    approved = marking(of, snapshot)
    assert approved.fields["result"]["status"] == "applied"
    assert approved.fields["expiresAt"] - approved.fields["result"]["time"] == day
    # A field of the mask that has no value is deleted.
    assert approved.mask == ("result", "expiresAt", "pending")
    refused = marking(of, snapshot, Refusal({"status": 403}))
    assert refused.fields["error"] == {"status": 403}
    assert refused.mask == ("error", "expiresAt", "pending")
    bare = marking(of, snapshot, Refusal({"status": 403}, bare=True))
    assert bare == Write("set", PATH, refused.fields)


def test_a_patch_that_was_applied_may_be_deleted(datastore: MemoryDatastore) -> None:
    of = collection(Patches(PATTERN, mark="delete"))
    assert marking(of, stored(datastore)) == Write("delete", PATH)
    assert marking(of, stored(datastore), Refusal({"status": 403})).kind == "update"


@pytest.mark.parametrize(
    ("patches", "complaint"),
    [
        ("users/{uid}", "names no collection"),
        ("users/{uid}/{collection}", "names no collection"),
        ("", "no path pattern"),
        (Patches(PATTERN, mark="burn"), "'burn' is not a mark"),  # type: ignore[arg-type]
        (Patches(PATTERN, keep_for=datetime.timedelta(0)), "keeps nothing"),
        (Patches(PATTERN, keep_for=datetime.timedelta.max), "longer than timestamps reach"),
        (Patches(PATTERN, keep_for=7), "keep_for=7 is not a timedelta"),  # type: ignore[arg-type]
        (Patches(PATTERN, target="title"), r"SalonView\.title is stored as 'title'"),
        (Patches(PATTERN, pending="isOpen"), r"SalonView\.is_open is stored as 'isOpen'"),
    ],
)
def test_patches_that_make_no_sense_are_refused(patches: str | Patches, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        DocumentMediator(mutation_cls=SalonMutation, patches=patches)


def test_a_view_whose_fields_mean_marks_is_refused() -> None:
    class Erring(ViewModel):
        store: SalonStore
        error: Attr[str] = attrs.bproperty()

    class ErringMutation(Mutation[Erring]):
        pass

    with pytest.raises(ConfigurationError, match=r"Erring\.error is stored as 'error'"):
        DocumentMediator(mutation_cls=ErringMutation, patches=PATTERN)


class _Other(ViewModel):
    store: SalonStore


class _Aimless(Mutation):  # type: ignore[type-arg]
    pass


class _Handling(DocumentMediator):
    class Protocol(ProtocolBase):
        pass


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DocumentMediator(SalonView), "needs document= or patches="),
        (
            lambda: DocumentMediator(SalonView, document="a/b", patches=PATTERN),
            "needs document= or patches=",
        ),
        (lambda: DocumentMediator(document="a/b"), "view_model_cls or its own Protocol"),
        (lambda: DocumentMediator(_Other, document="a/b"), "no place where it can be stored"),
        (lambda: DocumentMediator(SalonView, document="salons"), "does not name a document"),
        (
            lambda: DocumentMediator(SalonView, document="a/b", mutation_cls=SalonMutation),
            "takes mutation_cls only with patches=",
        ),
        (lambda: DocumentMediator(SalonView, patches=PATTERN), "without a mutation"),
        (
            lambda: DocumentMediator(_Other, mutation_cls=SalonMutation, patches=PATTERN),
            "SalonMutation changes SalonView, not _Other",
        ),
        (
            lambda: DocumentMediator(mutation_cls=_Aimless, patches=PATTERN),
            "does not say which view",
        ),
        (
            lambda: _Handling(mutation_cls=SalonMutation, patches=PATTERN),
            "a Protocol, which is only for document=",
        ),
    ],
)
def test_parameters_that_make_no_mediator_are_refused(make: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make()


def test_what_it_is_called_by_default() -> None:
    assert DocumentMediator(SalonView, document="salons/s1").name == "SalonView of salons/s1"
    assert _Handling(document="salons/s1").name == "_Handling of salons/s1"
    patches = DocumentMediator(mutation_cls=SalonMutation, patches=PATTERN)
    assert (patches.name, patches.view_model_cls) == ("SalonView_PATCH", SalonView)
