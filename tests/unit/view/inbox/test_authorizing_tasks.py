"""Who may have a task's effect: asked before it, in its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, PermissionDeniedError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.forms import Submission
from flask_boiler.view.mediation.inbox import TaskState
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context

FORM = "users/ada/lamps_POST/f1"
REFUSAL = "users/ada/refused/f1"


class Lamp(DomainModel):
    is_on: Attr[bool] = attrs.bproperty(default=False)
    owner: Attr[str] = attrs.bproperty(default="")


class LampStore(Store):
    lamp = root(Lamp)


class LampForm(Form):
    store: LampStore
    lamp: Attr[str] = attrs.bproperty()
    is_on: Attr[bool] = attrs.bproperty()

    class Meta:
        form_path = "users/{uid}/lamps_POST/{form_id}"
        refusal_path = "users/{uid}/refused/{form_id}"
        target = "lamp"

    @is_on.setter
    def set_is_on(self, value: bool) -> None:
        self.store.lamp.is_on = value


class LampView(ViewModel):
    store: LampStore

    class Meta:
        path = "lampViews/{lamp.doc_id}"

    @attrs.computed
    def is_on(self) -> bool:
        return self.store.lamp.is_on


def owns(submission: Submission, form: LampForm) -> bool:
    return submission.placeholders["uid"] == form.store.lamp.owner


@pytest.fixture
def datastore(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryDatastore]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Lamp/hers", owner="ada", isOn=False)
        datastore.put("Lamp/his", owner="ben", isOn=False)
        yield datastore


def send(datastore: MemoryDatastore, **fields: Any) -> None:
    datastore.put(FORM, **{"lamp": "hers", "isOn": True, **fields})


def apply(authorize: Any = owns) -> TaskState:
    return QueryTaskMediator(LampForm, authorize=authorize).apply(FORM).state


def problem(datastore: MemoryDatastore) -> Any:
    fields = datastore.fields(REFUSAL)
    assert fields is not None
    return fields["problem"]


def is_on(datastore: MemoryDatastore, name: str) -> bool:
    fields = datastore.fields(f"Lamp/{name}")
    assert fields is not None
    return bool(fields["isOn"])


def test_who_may_is_let(datastore: MemoryDatastore) -> None:
    send(datastore)
    assert apply() is TaskState.DONE
    assert is_on(datastore, "hers")
    assert not datastore.exists(FORM)
    assert not datastore.exists(REFUSAL)


def test_who_may_not_is_told_the_same_as_if_there_were_no_such_target(
    datastore: MemoryDatastore,
) -> None:
    told = []
    for lamp in ("his", "nowhere"):
        send(datastore, lamp=lamp)
        assert apply() is TaskState.DONE
        told.append(problem(datastore))
    assert told[0] == told[1]
    assert told[0]["status"] == 404
    assert not is_on(datastore, "his")
    assert not datastore.exists(FORM), "it is marked"


def test_wrong_input_is_told_before_anything_of_the_target_is(datastore: MemoryDatastore) -> None:
    told = []
    for lamp in ("his", "nowhere"):
        send(datastore, lamp=lamp, isOn="maybe", colour="red")
        assert apply() is TaskState.DONE
        told.append(problem(datastore))
    assert told[0] == told[1]
    assert (told[0]["status"], sorted(told[0]["errors"])) == (422, ["colour", "isOn"])


def test_a_reason_is_told(datastore: MemoryDatastore) -> None:
    def deny(submission: Submission, form: LampForm) -> bool:
        raise PermissionDeniedError("Ask ben.")

    send(datastore)
    assert apply(deny) is TaskState.DONE
    assert (problem(datastore)["status"], problem(datastore)["detail"]) == (403, "Ask ben.")


def test_it_is_asked_about_the_form_before_it_is_filled_in(datastore: MemoryDatastore) -> None:
    seen: list[Any] = []

    def look(submission: Submission, form: LampForm) -> bool:
        seen.append((submission.path, submission.data, form.store.lamp.is_on))
        return True

    send(datastore)
    assert apply(look) is TaskState.DONE
    assert seen == [(FORM, {"lamp": "hers", "is_on": True}, False)]
    assert is_on(datastore, "hers")


def test_what_it_reads_is_as_of_one_time_with_the_effect(datastore: MemoryDatastore) -> None:
    def sell_first(act: Any) -> Any:
        datastore.put("Lamp/hers", owner="ben", isOn=False)
        return act()

    send(datastore)
    datastore.mishaps.append(sell_first)
    assert apply() is TaskState.DONE
    assert not is_on(datastore, "hers")
    assert problem(datastore)["status"] == 404


@pytest.mark.parametrize("answer", [False, None, 0])
def test_a_task_that_is_not_allowed_is_parked_and_has_no_effect(
    datastore: MemoryDatastore, answer: Any
) -> None:
    done: list[Lamp] = []
    asked: list[Any] = []

    def allow(task: Lamp, transaction: Transaction) -> Any:
        asked.append((task.owner, transaction))
        return answer if task.owner == "ben" else True

    mediator = QueryTaskMediator(
        query=Lamp.get_query(), on_task=lambda task, tx: done.append(task), authorize=allow
    )
    assert mediator.apply("Lamp/hers").state is TaskState.DONE
    assert mediator.apply("Lamp/his").state is TaskState.PARKED
    assert [task.owner for task in done] == ["ada"]
    [parked] = mediator.parked_tasks
    assert parked.error == "PermissionDeniedError: authorize does not allow Lamp/his"
    assert isinstance(asked[0][1], Transaction)


def test_of_a_view_it_is_asked_before_it_is_stored(datastore: MemoryDatastore) -> None:
    mediator = QueryTaskMediator(
        LampView, query=Lamp.get_query(), authorize=lambda task, view: view.store.lamp is not None
    )
    refusing = QueryTaskMediator(
        LampView, query=Lamp.get_query(), authorize=lambda task, view: task.owner == "ada"
    )
    assert refusing.apply("Lamp/his").state is TaskState.PARKED
    assert not datastore.exists("lampViews/his")
    assert mediator.apply("Lamp/hers").state is TaskState.DONE
    assert datastore.exists("lampViews/hers")


def test_a_subclass_may_say_so_itself(datastore: MemoryDatastore) -> None:
    class Lamps(QueryTaskMediator):
        def authorize(self, task: Submission, view: LampForm) -> bool:
            return view.store.lamp.owner == "nobody"

    send(datastore)
    assert Lamps(LampForm).apply(FORM).state is TaskState.DONE
    assert problem(datastore)["status"] == 404
    assert not is_on(datastore, "hers")


def test_what_cannot_decide_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"authorize .*\(task, view\)"):
        QueryTaskMediator(LampForm, authorize=lambda task: True)  # type: ignore[arg-type,misc]
