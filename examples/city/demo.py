"""The demo: it runs the steps of the story, and then shows further changes."""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from examples.city.app import create_app
from examples.city.story import STORY, Step
from examples.firestore import demo_firestore
from examples.observer import Observer, Sighting, listed
from examples.signals import ignore_interrupts, signals_handled
from examples.terminal import Terminal
from flask_boiler import Boiler
from flask_boiler.errors import BoilerError

__all__ = ["run"]

_VIEWS = "cityView"
_TIMEOUT_S = 15.0


class _UnexpectedError(Exception):
    """The observer saw something else than the story says."""


def run(arguments: Sequence[str]) -> int:
    """Run the demo, and return its exit status."""
    options = _parse(arguments)
    terminal = Terminal()
    try:
        with signals_handled(), _world(terminal) as (boiler, observer):
            _tell(terminal, boiler, observer)
            if terminal.interactive and not options.once:
                _watch(terminal, boiler, observer)
    except (BoilerError, _UnexpectedError, TimeoutError) as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.city",
        description="Cities and their views on a local Firestore, as another client sees them.",
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the story, also on a terminal"
    )
    return parser.parse_args(arguments)


@contextmanager
def _world(terminal: Terminal) -> Generator[tuple[Boiler, Observer]]:
    """Start everything: a Firestore, the application's mediators, another client."""
    terminal.heading("flask_boiler: cities, and views that stay true")
    with ExitStack() as stack:
        local = stack.enter_context(demo_firestore("city"))
        boiler: Boiler = create_app(local.config).extensions["boiler"]
        stack.callback(boiler.close)
        project = boiler.context.project
        observer = Observer(host=local.host, project=project, collection=_VIEWS)
        stack.enter_context(observer)
        stack.enter_context(boiler.context.activated())
        terminal.fact("Firestore", f"{local.host} (project {project})")
        terminal.fact("", local.told)
        boiler.start()
        terminal.fact("Mediators", "one keeps a view of each city, one makes cities of forms")
        terminal.fact("Observer", f"another client, with google's own listener on {_VIEWS}")
        terminal.fact("Times", "from a write to the view document in the other client")
        try:
            yield boiler, observer
        finally:
            ignore_interrupts()


def _tell(terminal: Terminal, boiler: Boiler, observer: Observer) -> None:
    times_ms: list[float] = []
    for number, step in enumerate(STORY, start=1):
        terminal.heading(f"{number}  {step.title}")
        terminal.code(*step.code)
        terminal.line()
        if step.kind is None:
            _take_without_effect(step, terminal, boiler, observer)
        else:
            times_ms.append(_take(step, terminal, observer))
    for parked in boiler.parked:
        raise _UnexpectedError(f"{parked.key} is parked: {parked.error}")
    terminal.line(
        f"\n  {len(STORY)} steps, all as expected. {len(times_ms)} views seen after "
        f"{min(times_ms):.0f} to {max(times_ms):.0f} ms, "
        f"median {statistics.median(times_ms):.0f} ms."
    )


def _take(step: Step, terminal: Terminal, observer: Observer) -> float:
    """Run a step, wait for the view that it changes, and return the time in ms."""
    started_s = time.perf_counter()
    step.act(observer)
    sighting = observer.next(timeout_s=_TIMEOUT_S)
    if sighting is None:
        raise _UnexpectedError(f"{step.view} was not {step.kind} within {_TIMEOUT_S:g} s")
    if (sighting.kind, sighting.path) != (step.kind, step.view):
        raise _UnexpectedError(
            f"{sighting.path} was {sighting.kind}, where {step.view} was to be {step.kind}"
        )
    _require(sighting.fields, step.fields, sighting.path)
    if step.made is not None:
        path, fields = step.made
        made = observer.read(path) or {}
        _require(made, fields, path)
        terminal.event("+", path, listed(made))
    time_ms = 1000 * (sighting.at_s - started_s)
    _show(terminal, sighting, right=f"{time_ms:.0f} ms")
    return time_ms


def _take_without_effect(
    step: Step, terminal: Terminal, boiler: Boiler, observer: Observer
) -> None:
    version = observer.version(step.view)
    step.act(observer)
    boiler.settle()
    if observer.version(step.view) != version:
        raise _UnexpectedError(f"{step.view} was written, though nothing that it shows changed")
    terminal.event("=", step.view, "not written")


def _require(fields: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> None:
    for name, value in wanted.items():
        if fields.get(name) != value:
            raise _UnexpectedError(f"{path} has {name} {fields.get(name)!r}, not {value!r}")


def _watch(terminal: Terminal, boiler: Boiler, observer: Observer) -> None:
    """Show every change until Ctrl-C."""
    _invite(terminal, boiler)
    try:
        while (sighting := observer.next()) is not None:
            _show(terminal, sighting, right=f"{datetime.datetime.now():%H:%M:%S}")
    except KeyboardInterrupt:
        terminal.line("\n  Stopping.")


def _invite(terminal: Terminal, boiler: Boiler) -> None:
    host = boiler.context.config.emulator_host
    python = sys.executable
    if python.startswith(f"{os.getcwd()}{os.sep}"):
        python = os.path.relpath(python)
    terminal.heading("It goes on watching. Write something from another terminal:")
    terminal.line(f"     export FIRESTORE_EMULATOR_HOST={host}")
    terminal.line(f"     {python}\n")
    terminal.line("     from google.cloud import firestore")
    terminal.line(f'     nyc = firestore.Client("{boiler.context.project}").document("City/NYC")')
    terminal.line('     nyc.set({"cityName": "New York", "country": "USA"})')
    terminal.line("     nyc.delete()")
    terminal.line("\n  Ctrl-C ends the demo.\n")


def _show(terminal: Terminal, sighting: Sighting, *, right: str) -> None:
    terminal.event(sighting.sign, sighting.path, sighting.summary, right=right)
