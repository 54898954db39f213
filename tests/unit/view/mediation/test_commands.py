"""The way of a command: who may is asked once, at its beginning, and then it is understood."""

# mypy: disable-error-code="no-redef, union-attr"
# A setter is spelled like a property's, which mypy understands of properties alone.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask import Flask

from flask_boiler import Form, RestMediator, attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import PermissionDeniedError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.http.routes import InstancePatch
from flask_boiler.view.inbox.forms import Submission
from flask_boiler.view.mediation.access import Anybody, Change
from flask_boiler.view.mediation.commands import MutationCommand, perform
from flask_boiler.view.socketio.mutate_event import ClientAccess, apply_command
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.unit.memory import memory_context


class Lamp(DomainModel):
    level: Attr[int] = attrs.bproperty(default=0)


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore

    level: Attr[int] = attrs.through("lamp.level")


class LampMutation(Mutation[LampView]):
    pass


class LampForm(Form):
    store: LampStore

    light_level: Attr[int] = attrs.bproperty(required=True)

    class Meta:
        form_path = "users/{uid}/lamps_POST/{lamp_id}"
        refusal_path = "users/{uid}/refusals/{lamp_id}"

    @light_level.setter
    def light_level(self, value: int) -> None:
        self.store.lamp.level = value


class Noting(Anybody):
    """Notes what it is asked, and refuses if it is to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._refuses = refuses

    def require(self, change: Change) -> None:
        if self._refuses:
            self.asked.append((change.view_cls, change.operation, change.doc_id))
            raise PermissionDeniedError("not you")
        self.asked.append((change.view_cls, change.operation, change.doc_id, dict(change.data)))


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Lamp/a", obj_type="Lamp", level=1)
        yield datastore


def command(doc_id: str | None = "a", **given: Any) -> MutationCommand:
    return MutationCommand(ViewSubject(LampView), LampMutation, "patch", doc_id, lambda: given)


def test_access_is_asked_once_with_what_is_to_be_changed(datastore: MemoryDatastore) -> None:
    access = Noting()
    assert perform(command(level=2), access).level == 2
    assert access.asked == [(LampView, "patch", "a", {"level": 2})]


def test_who_may_not_has_nothing_read_and_nothing_loaded(datastore: MemoryDatastore) -> None:
    def read() -> Mapping[str, Any]:
        raise AssertionError("the input was read")

    access = Noting(refuses=True)
    asked = MutationCommand(ViewSubject(LampView), LampMutation, "patch", "a", read)
    with pytest.raises(PermissionDeniedError):
        perform(asked, access)
    assert access.asked == [(LampView, "patch", "a")]
    assert (datastore.reads, datastore.commits) == ([], [])


def test_what_is_not_understood_has_nothing_loaded(datastore: MemoryDatastore) -> None:
    with pytest.raises(ValidationError):
        perform(command("a//b", level=2), Anybody())
    assert (datastore.reads, datastore.commits) == ([], [])


def test_a_condition_does_the_write_or_does_not(datastore: MemoryDatastore) -> None:
    def never(write: Callable[[], Any]) -> str:
        return "not on Sundays"

    assert perform(command(level=2), Anybody(), never) == "not on Sundays"
    assert datastore.commits == []
    assert perform(command(level=2), Anybody(), lambda write: write()).level == 2


def test_the_input_is_read_once(datastore: MemoryDatastore) -> None:
    read: list[int] = []

    def once() -> Mapping[str, Any]:
        read.append(1)
        return {"level": 2}

    asked = MutationCommand(ViewSubject(LampView), LampMutation, "patch", "a", once)
    perform(asked, Noting(), lambda write: (write(), write()))
    assert read == [1]


def test_a_route_asks_its_access(datastore: MemoryDatastore) -> None:
    access = Noting(refuses=True)

    class Guarded(InstancePatch):
        def __init__(self, mediator: Any) -> None:
            super().__init__(mediator)
            self.access = access

    app = Flask("lamps")
    app.config["SECRET_KEY"] = "s"
    RestMediator(LampView, LampMutation, app=app).add_instance_patch("/lamps/<doc_id>", Guarded)
    answer = app.test_client().patch("/lamps/a", data="no JSON")
    assert (answer.status_code, access.asked) == (403, [(LampView, "patch", "a")])
    assert datastore.reads == []


def test_a_client_is_asked_for_with_what_it_sent(datastore: MemoryDatastore) -> None:
    asked: list[Any] = []

    def authorize_mutation(*given: Any) -> None:
        asked.append(given)
        raise PermissionDeniedError("not you")

    sent = {"level": "two", "colour": "red"}
    access = ClientAccess(lambda arguments: arguments["user"], authorize_mutation, sent)
    with pytest.raises(PermissionDeniedError):
        apply_command(LampView, LampMutation, "patch", "a", sent, access)
    assert asked == [("patch", "a", sent)]
    assert datastore.reads == []
    assert access.scope_of({"user": "ada"}) == "ada"


def test_a_form_is_a_command(datastore: MemoryDatastore) -> None:
    path = "users/ada/lamps_POST/b"
    datastore.put(path, lightLevel=3)
    [document] = datastore.get([path]).values()
    access = Noting()
    perform(Submission(LampForm, document), access)
    assert access.asked == [(LampForm, "submit", "b", {"light_level": 3})]
    assert Lamp.get_or_raise("b").level == 3
