"""The life of a mediator: declared, running, stopped; whatever goes wrong on the way."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from flask_boiler.errors import ConfigurationError, DeclarationError
from flask_boiler.view.mediation.mediator import MediatorBase, MediatorState, mediator_of
from flask_boiler.viewmodels.view_model import ViewModel


class Lamp(MediatorBase):
    """Is lit in two steps, the second of which may fail."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__("lamp")
        self.broken = broken
        self.done: list[str] = []

    def _begin(self, ends: ExitStack) -> None:
        for step in ("plug", "switch"):
            if self.broken and step == "switch":
                raise RuntimeError("no current")
            self.done.append(f"{step} on")
            ends.callback(self.done.append, f"{step} off")


def test_what_began_last_ends_first() -> None:
    lamp = Lamp()
    with lamp:
        pass
    assert lamp.done == ["plug on", "switch on", "switch off", "plug off"]


def test_a_start_that_fails_undoes_what_it_did_and_may_be_tried_again() -> None:
    lamp = Lamp(broken=True)
    with pytest.raises(RuntimeError, match="no current"):
        lamp.start()
    assert (lamp.done, lamp.state) == (["plug on", "plug off"], MediatorState.DECLARED)
    lamp.broken = False
    lamp.start()
    assert lamp.state is MediatorState.RUNNING


def test_it_is_stopped_once() -> None:
    lamp = Lamp()
    lamp.stop()
    lamp.start()
    lamp.stop()
    lamp.stop()
    assert lamp.done == ["plug on", "switch on", "switch off", "plug off"]


def test_a_forked_child_has_a_life_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    lamp = Lamp()
    lamp.start()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        states = [lamp.state]
        # What runs is the parent's to end.
        lamp.stop()
        states.append(lamp.state)
    assert states == [MediatorState.DECLARED, MediatorState.STOPPED]
    assert lamp.done == ["plug on", "switch on"]


def test_one_that_an_application_wrote_is_asked_for_no_more_than_it_has() -> None:
    class LampView(ViewModel):
        pass

    class Own:
        view_model_cls = LampView

        def start(self) -> None: ...

        def stop(self) -> None: ...

    living = mediator_of(Own())
    assert (living.name, living.view_classes, living.inbox) == ("Own", [LampView], None)
    assert mediator_of(living) is living
    with pytest.raises(ConfigurationError, match="Own is not a mediator that can be started"):
        mediator_of(Own)  # type: ignore[arg-type]


def test_what_never_runs_is_no_start() -> None:
    with pytest.raises(DeclarationError, match=r"start is a coroutine function"):
        type("Lazy", (Lamp,), {"start": lazily})


async def lazily(self: object) -> None: ...


def test_an_own_mediator_whose_start_never_runs_is_none() -> None:
    class Lazy:
        start = stop = lazily

    with pytest.raises(ConfigurationError, match=r"Lazy\.start is a coroutine function"):
        mediator_of(Lazy())  # type: ignore[arg-type]


def test_a_class_that_does_not_set_up_its_parent_is_told_so() -> None:
    class Forgetful(Lamp):
        def __init__(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Forgetful\.__init__ does not call super"):
        mediator_of(Forgetful())
