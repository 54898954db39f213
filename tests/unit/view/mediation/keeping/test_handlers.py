"""Handlers of documents that change: what they are given, and which are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.values import Snapshot
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from tests.unit.view.mediation.keeping.test_keeping import TOWNS, Keeping, Town


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    keeping = Keeping()
    yield keeping
    keeping.stop()


def handling(on_update: Callable[..., None], **handlers: Any) -> QueryMediator:
    """A mediator whose protocol has this handler."""
    members = {"on_update": staticmethod(on_update), **handlers}
    protocol = type("Protocol", (ProtocolBase,), members)
    made = type("Handling", (QueryMediator,), {"Protocol": protocol})
    mediator: QueryMediator = made(query=Town.get_query())
    return mediator


def test_a_handler_gets_the_state_that_was_handled_last(keeping: Keeping) -> None:
    calls: list[tuple[str, str]] = []

    def on_update(snapshot: Snapshot, mediator: Any, before: Snapshot) -> None:
        calls.append((before.get("title"), snapshot.get("title")))
        if snapshot.get("title") == "bad":
            raise ValueError("not this one")

    keeping.keep(handling(on_update))
    for title in ("A", "B", "bad", "C"):
        keeping.show(title=title)
    assert calls == [("A", "B"), ("B", "bad"), ("B", "C")]
    assert keeping.errors == []


def test_changes_that_are_handled_together_have_one_state_before(keeping: Keeping) -> None:
    calls: list[tuple[str, str]] = []

    def on_update(snapshot: Snapshot, mediator: Any, *, before: Snapshot) -> None:
        if snapshot.get("title") == "B":
            # While it is handled, there are two more.
            for title in ("C", "D"):
                keeping.datastore.put("towns/a", {"title": title})
                keeping.feed.deliver(members={TOWNS: ["towns/a"]})
        calls.append((before.get("title"), snapshot.get("title")))

    keeping.keep(handling(on_update))
    keeping.show(title="A")
    keeping.show(title="B")
    assert calls == [("A", "B"), ("B", "D")]


def test_handlers_with_two_parameters_go_on(keeping: Keeping) -> None:
    calls: list[str] = []
    keeping.keep(handling(lambda snapshot, mediator: calls.append(snapshot.get("title"))))
    for title in ("A", "B"):
        keeping.show(title=title)
    assert calls == ["B"]


def test_a_handler_that_is_wrapped_is_asked_for_its_own_parameters(keeping: Keeping) -> None:
    calls: list[str] = []

    def on_update(snapshot: Snapshot, mediator: Any, before: Snapshot) -> None:
        calls.append(before.get("title"))

    @functools.wraps(on_update)
    def wrapped(*given: Any, **named: Any) -> None:
        on_update(*given, **named)

    keeping.keep(handling(wrapped))
    for title in ("A", "B"):
        keeping.show(title=title)
    assert calls == ["A"]


REFUSED: dict[str, tuple[Callable[..., None], str]] = {
    "misspelt": (
        lambda snapshot, mediator, befor: None,
        r"Protocol\.on_update has the parameter 'befor', which is never passed; did you mean "
        r"'before'\?; it is called with \(snapshot, mediator\), or with \(snapshot, mediator, be",
    ),
    "misspelt, with a default": (lambda snapshot, mediator, before_=None: None, "'before'"),
    "another": (lambda snapshot, mediator, old: None, "'old', which is never passed; it is called"),
    "a fourth": (lambda snapshot, mediator, before, after: None, "'after', which is never passed"),
    "in the place of the mediator": (
        lambda snapshot, before: None,
        "multiple values for argument 'before'",
    ),
    "a method": (lambda self, snapshot, mediator: None, r"is it a @staticmethod\?"),
    "too few": (lambda snapshot: None, "too many positional arguments"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_handler_is_never_given_is_refused(case: str) -> None:
    handler, said = REFUSED[case]
    with pytest.raises(ConfigurationError, match=said):
        handling(handler)


def test_what_has_a_default_of_its_own_is_left_alone() -> None:
    assert handling(lambda snapshot, mediator, log=print: None)
    assert handling(lambda *given: None)


def test_who_creates_or_deletes_has_no_state_before() -> None:
    def on_create(snapshot: Snapshot, mediator: Any, before: Snapshot) -> None: ...

    with pytest.raises(ConfigurationError, match="on_create"):
        handling(lambda snapshot, mediator: None, on_create=staticmethod(on_create))
