"""One failure is told alike, whichever way the command came: by HTTP, socket, patch or form."""

# mypy: disable-error-code="no-redef, union-attr"
# A setter is spelled like a property's, which mypy understands of properties alone.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import flask_socketio
import grpc
import pytest
from flask import Flask
from werkzeug.exceptions import ImATeapot

from flask_boiler import Form, RestMediator, WsMediator, attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    DocumentNotFoundError,
    MissingIndexError,
    PermissionDeniedError,
    QueryError,
    RefusedError,
    StoredDataError,
    UnauthenticatedError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.firestore.failures import translated
from flask_boiler.ground.values import CommitResult
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.mediation.commands import WRITTEN
from flask_boiler.view.mediation.inbox import TaskState
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context

ATTEMPTS = 3


class Door(DomainModel):
    width: Attr[int] = attrs.bproperty(default=0)


class DoorStore(Store):
    door = reference(Door)


class Wrong:
    """What the setter raises; nothing, if it is to do its work."""

    error: Exception | None = None
    #: What the getter raises.
    shown: Exception | None = None


def _set_width(view: Any, value: int) -> None:
    if Wrong.error is not None:
        # Raised with the cause that it was made with, which raising it from here would replace.
        raise Wrong.error
    view.store.door.width = value


class DoorView(ViewModel):
    store: DoorStore

    width: Attr[int] = attrs.bproperty(data_key="widthCm")
    # Its name is the other's field, as which it must not be told.
    widthCm: Attr[str] = attrs.bproperty(data_key="label")
    number: Attr[int] = attrs.bproperty(import_enabled=False)

    @width.getter
    def width(self) -> int:
        if Wrong.shown is not None:
            raise Wrong.shown
        return self.store.door.width

    @width.setter
    def width(self, value: int) -> None:
        _set_width(self, value)

    @widthCm.getter
    def widthCm(self) -> str:
        return "a door"

    @widthCm.setter
    def widthCm(self, value: str) -> None:
        """Nothing comes of it."""

    @number.getter
    def number(self) -> int:
        return 7


class DoorMutation(Mutation[DoorView]):
    max_attempts = ATTEMPTS


class DoorForm(Form):
    store: DoorStore

    width: Attr[int] = attrs.bproperty(data_key="widthCm", required=False)
    widthCm: Attr[str] = attrs.bproperty(data_key="label", required=False)
    number: Attr[int] = attrs.bproperty(import_enabled=False, required=False)

    class Meta:
        form_path = "users/{uid}/doors_POST/{door_id}"
        refusal_path = "users/{uid}/refusals/{door_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        return cls.new(door=Door.get_or_raise(doc_id))

    @width.setter
    def width(self, value: int) -> None:
        _set_width(self, value)

    @widthCm.setter
    def widthCm(self, value: str) -> None:
        """Nothing comes of it."""


Way = Callable[[MemoryDatastore, ApplicationContext, str, dict[str, Any]], Any]


def over_http(
    datastore: MemoryDatastore, context: ApplicationContext, doc_id: str, given: dict[str, Any]
) -> Any:
    app = Flask("doors")
    app.config["SECRET_KEY"] = "s"
    mediator = RestMediator(DoorView, DoorMutation, app=app)
    mediator.add_instance_patch("/doors/<doc_id>")
    answer = app.test_client().patch(f"/doors/{doc_id}", json=given)
    assert answer.mimetype in ("application/json", "application/problem+json")
    assert answer.status_code == (answer.json or {}).get("status", 200)
    return None if answer.status_code == 200 else answer.json


def over_a_socket(
    datastore: MemoryDatastore, context: ApplicationContext, doc_id: str, given: dict[str, Any]
) -> Any:
    app = Flask("doors")
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(WsMediator(DoorView, DoorMutation, namespace="/doors"))
    client = io.test_client(app, namespace="/doors")
    command = {"operation": "patch", "doc_id": doc_id, "data": given}
    answer = client.emit("mutate", command, callback=True, namespace="/doors")
    return answer.get("error")


def by_a_patch(
    datastore: MemoryDatastore, context: ApplicationContext, doc_id: str, given: dict[str, Any]
) -> Any:
    datastore.put("patches/p", target_door_id=doc_id, **given)
    mediator = DocumentMediator(mutation_cls=DoorMutation, patches="patches")
    if mediator.apply("patches/p").state is TaskState.PARKED:
        raise Parked
    return datastore.fields("patches/p").get("error")


def by_a_form(
    datastore: MemoryDatastore, context: ApplicationContext, doc_id: str, given: dict[str, Any]
) -> Any:
    path = f"users/ada/doors_POST/{doc_id}"
    datastore.put(path, **given)
    mediator = QueryTaskMediator(DoorForm, max_retries=ATTEMPTS - 1)
    if mediator.apply(path).state is TaskState.PARKED:
        raise Parked
    stored = datastore.documents.get(f"users/ada/refusals/{doc_id}")
    return None if stored is None else stored.get("problem")


class Parked(Exception):
    """A form was set aside."""


ANSWERING = [over_http, over_a_socket]
WAYS: list[Way] = [*ANSWERING, by_a_patch, by_a_form]


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApplicationContext]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    monkeypatch.setattr(Wrong, "error", None)
    monkeypatch.setattr(Wrong, "shown", None)
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    found.put("Door/d", obj_type="Door", width=80)
    return found


class _Said(grpc.RpcError):
    """What Firestore says."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "projects/secret-1 has it"


def said_by_firestore(code: grpc.StatusCode, *, writing: bool = True) -> BoilerError:
    with pytest.raises(BoilerError) as raised, translated("it", writing=writing):
        raise _Said(code)
    return raised.value


@dataclass(frozen=True)
class Failure:
    """What goes wrong, and what who asked is to be told of it.

    :param status: of the problem.
    :param errors: the fields that it names.
    :param given: what was sent.
    :param doc_id: what it was sent for.
    :param raised: by a setter.
    :param refused: what Firestore says to the commit, each time.
    """

    status: int
    errors: tuple[str, ...] | None = None
    given: tuple[tuple[str, Any], ...] = (("widthCm", 90),)
    doc_id: str = "d"
    raised: Callable[[], Exception] | None = None
    refused: grpc.StatusCode | None = None


ASKERS = {
    "an unknown field": Failure(422, ("colour",), given=(("colour", "red"),)),
    "a field that is read-only": Failure(422, ("number",), given=(("number", 8),)),
    "a field of another type": Failure(422, ("widthCm",), given=(("widthCm", "wide"),)),
    "several fields": Failure(
        422, ("number", "widthCm"), given=(("number", 1), ("widthCm", "wide"))
    ),
    "a setter that finds the value wrong": Failure(
        422, ("widthCm",), raised=lambda: ValidationError({"width": ["Not that wide."]})
    ),
    "a setter that refuses": Failure(409, raised=lambda: RefusedError("It is locked.")),
    "nobody who is known": Failure(401, raised=lambda: UnauthenticatedError("Sign in.")),
    "somebody who may not": Failure(403, raised=lambda: PermissionDeniedError("Not you.")),
    "a setter that aborts": Failure(418, raised=ImATeapot),
    "no such view": Failure(404, doc_id="e"),
    "a document that a setter misses": Failure(
        404, raised=lambda: DocumentNotFoundError("Key/k", "There is no key.")
    ),
    "what cannot be stored": Failure(422, refused=grpc.StatusCode.INVALID_ARGUMENT),
    "a race that is lost each time": Failure(409, refused=grpc.StatusCode.ABORTED),
}

SERVERS = {
    "a bug": ZeroDivisionError,
    "what is stored wrongly": lambda: StoredDataError({"width": ["Not a number."]}),
    "a query that there is not": lambda: QueryError("it cannot be asked"),
    "an index that there is not": lambda: MissingIndexError("make it", create_url=None),
    "a setting": lambda: ConfigurationError("there is no such thing"),
    "what the process may not": lambda: said_by_firestore(grpc.StatusCode.PERMISSION_DENIED),
    "who the process is": lambda: said_by_firestore(grpc.StatusCode.UNAUTHENTICATED),
    "whatever Firestore finds": lambda: said_by_firestore(grpc.StatusCode.UNIMPLEMENTED),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failure", ASKERS.values(), ids=ASKERS.keys())
def test_whose_fault_it_is_is_told_what_it_was(
    datastore: MemoryDatastore,
    context: ApplicationContext,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
    way: Way,
) -> None:
    if failure.raised is not None:
        monkeypatch.setattr(Wrong, "error", failure.raised())
    if failure.refused is not None:
        code = failure.refused

        def refuse(act: Callable[[], CommitResult]) -> CommitResult:
            raise said_by_firestore(code)

        times = ATTEMPTS if code is grpc.StatusCode.ABORTED else 1
        datastore.mishaps.extend([refuse] * times)
    problem = way(datastore, context, failure.doc_id, dict(failure.given))
    assert problem is not None
    assert (problem["type"], problem["status"]) == ("about:blank", failure.status)
    found = problem.get("errors")
    assert (None if found is None else tuple(sorted(found))) == failure.errors
    assert "secret" not in str(problem)
    if failure.raised is not None and failure.errors is None:
        assert problem["detail"] in str(Wrong.error)
    assert datastore.fields("Door/d")["width"] == 80
    assert not datastore.mishaps


@pytest.mark.parametrize("failure", SERVERS.values(), ids=SERVERS.keys())
@pytest.mark.parametrize("way", WAYS)
def test_what_is_the_servers_is_told_to_nobody_and_marks_nothing(
    datastore: MemoryDatastore,
    context: ApplicationContext,
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[], Exception],
    way: Way,
) -> None:
    error = failure()
    monkeypatch.setattr(Wrong, "error", error)
    if way in ANSWERING:
        problem = way(datastore, context, "d", {"widthCm": 90})
        assert (problem["type"], problem["status"]) == ("about:blank", 500)
        assert "errors" not in problem
        assert "detail" not in problem or str(error) == "" or str(error) not in problem["detail"]
    else:
        with pytest.raises((type(error), BoilerError, Parked)):
            way(datastore, context, "d", {"widthCm": 90})
        assert "error" not in datastore.fields("patches/p")
        assert not datastore.exists("users/ada/refusals/d")
    assert datastore.fields("Door/d")["width"] == 80


@pytest.mark.parametrize("way", WAYS)
def test_what_is_to_be_tried_again_is_told_so_or_tried_again(
    datastore: MemoryDatastore,
    context: ApplicationContext,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
) -> None:
    monkeypatch.setattr(Wrong, "error", said_by_firestore(grpc.StatusCode.UNAVAILABLE))
    if way in ANSWERING:
        problem = way(datastore, context, "d", {"widthCm": 90})
        assert (problem["type"], problem["status"]) == ("about:blank", 503)
    else:
        with pytest.raises(UnavailableError):
            way(datastore, context, "d", {"widthCm": 90})
    monkeypatch.setattr(Wrong, "error", None)
    assert way(datastore, context, "d", {"widthCm": 90}) is None
    assert datastore.fields("Door/d")["width"] == 90


@pytest.mark.parametrize("way", WAYS)
def test_what_succeeds_is_no_problem(
    datastore: MemoryDatastore, context: ApplicationContext, way: Way
) -> None:
    assert way(datastore, context, "d", {"widthCm": 90, "label": "x"}) is None
    assert datastore.fields("Door/d")["width"] == 90


@pytest.mark.parametrize("way", ANSWERING)
@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), QueryError("secret")])
def test_that_a_write_was_made_is_told_where_it_cannot_be_shown(
    datastore: MemoryDatastore,
    context: ApplicationContext,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    way: Way,
) -> None:
    monkeypatch.setattr(Wrong, "shown", error)
    problem = way(datastore, context, "d", {"widthCm": 90})
    assert (problem["type"], problem["status"]) == ("about:blank", 500)
    assert problem["detail"] == WRITTEN
    assert datastore.fields("Door/d")["width"] == 90


@pytest.mark.parametrize(
    ("way", "status", "errors"),
    [
        # It is a part of the address there, and of the input elsewhere.
        (over_http, 404, None),
        (over_a_socket, 422, {"doc_id"}),
        (by_a_patch, 422, {"target_door_id"}),
    ],
)
def test_an_id_that_no_document_can_have_names_nothing(
    datastore: MemoryDatastore,
    context: ApplicationContext,
    way: Way,
    status: int,
    errors: set[str] | None,
) -> None:
    problem = way(datastore, context, "__d__", {"widthCm": 90})
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert (set(problem["errors"]) if "errors" in problem else None) == errors
