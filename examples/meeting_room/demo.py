"""The demo: on a terminal it serves the page until Ctrl-C, otherwise it runs the story."""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import statistics
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from examples.firestore import demo_firestore
from examples.meeting_room.app import create_app
from examples.meeting_room.story import STORY, Proposal, Request, Step, save_a_meeting
from examples.observer import Observer, Sighting
from examples.server import serving
from examples.signals import ignore_interrupts, signals_handled
from examples.terminal import Terminal
from flask_boiler import Boiler
from flask_boiler.errors import BoilerError

__all__ = ["run"]

_VIEWS = "MeetingSession"
_TIMEOUT_S = 15.0


class _UnexpectedError(Exception):
    """A participant saw something else than the story says."""


@dataclass(frozen=True, slots=True)
class _World:
    """Everything that runs during the demo."""

    terminal: Terminal
    boiler: Boiler
    observer: Observer
    address: str


def run(arguments: Sequence[str]) -> int:
    """Run the demo, and return its exit status."""
    options = _parse(arguments)
    terminal = Terminal()
    try:
        with signals_handled(), _world(terminal, options.port) as world:
            if terminal.interactive and not options.once:
                _watch(world)
            else:
                _tell(world)
    except (BoilerError, _UnexpectedError, TimeoutError, OSError) as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.meeting_room",
        description="A meeting room on a local Firestore, with a page that shows it live.",
    )
    parser.add_argument(
        "--once", action="store_true", help="tell the story and end, also on a terminal"
    )
    parser.add_argument(
        "--port", type=_port, default=0, help="where to serve the page (default: a free port)"
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"not a port: {text!r} (expected 0 to 65535)")
    return int(text)


@contextmanager
def _world(terminal: Terminal, port: int) -> Generator[_World]:
    """Start everything: a Firestore, the mediators, the web server, another client."""
    terminal.heading("flask_boiler: a meeting room")
    with ExitStack() as stack:
        local = stack.enter_context(demo_firestore("meeting-room"))
        app = create_app(local.config)
        boiler: Boiler = app.extensions["boiler"]
        stack.callback(boiler.close)
        project = boiler.context.project
        observer = Observer(host=local.host, project=project, collection=_VIEWS, group=True)
        stack.enter_context(observer)
        terminal.fact("Firestore", f"{local.host} (project {project})")
        terminal.fact("", local.told)
        with boiler.context.activated():
            save_a_meeting()
        boiler.start()
        boiler.settle()
        while observer.next(timeout_s=0) is not None:
            """What was there before the story is no part of it."""
        address = stack.enter_context(serving(app, port=port))
        terminal.fact("Page", f"{address}/")
        terminal.fact("API", f"{address}/apidocs/")
        try:
            yield _World(terminal, boiler, observer, address)
        finally:
            ignore_interrupts()


# On a terminal.


def _watch(world: _World) -> None:
    """Show every change until Ctrl-C."""
    world.terminal.heading("Open the page. What its participants see is shown here, too.")
    world.terminal.line("  Ctrl-C ends the demo.\n")
    try:
        while (sighting := world.observer.next()) is not None:
            right = f"{datetime.datetime.now():%H:%M:%S}"
            _show(world, sighting, right=right)
    except KeyboardInterrupt:
        world.terminal.line("\n  Stopping.")


# The story.


def _tell(world: _World) -> None:
    world.terminal.fact("Times", "from the request to the view document in another client")
    times_ms: list[float] = []
    for number, step in enumerate(STORY, start=1):
        world.terminal.heading(f"{number}  {step.title}")
        times_ms += _take(world, step)
    for parked in world.boiler.parked:
        raise _UnexpectedError(f"{parked.key} is parked: {parked.error}")
    world.terminal.line(
        f"\n  {len(STORY)} steps, all as expected. {len(times_ms)} views seen after "
        f"{min(times_ms):.0f} to {max(times_ms):.0f} ms, "
        f"median {statistics.median(times_ms):.0f} ms."
    )


def _take(world: _World, step: Step) -> Iterator[float]:
    """Run a step, wait until all participants see the result, and return the times in ms."""
    started_s = time.perf_counter()
    if isinstance(step.act, Request):
        _send(world, step.act)
    else:
        _propose(world, step.act)
    awaited = dict(step.seen)
    if awaited:
        world.terminal.line()
    while awaited:
        sighting = world.observer.next(timeout_s=_TIMEOUT_S)
        if sighting is None:
            raise _UnexpectedError(f"{', '.join(awaited)} did not see {step.seen} in time")
        uid = _participant(sighting)
        if _shows(sighting, awaited.get(uid)):
            del awaited[uid]
            time_ms = 1000 * (sighting.at_s - started_s)
            _show(world, sighting, right=f"{time_ms:.0f} ms")
            yield time_ms


def _show(world: _World, sighting: Sighting, *, right: str) -> None:
    """Print what a participant sees: whether the meeting is running, and who attends."""
    told = "takes part no more"
    if sighting.fields:
        running = "in session" if sighting.fields["inSession"] else "closed"
        told = f"{running}, attending: {', '.join(_attending(sighting)) or 'nobody'}"
    world.terminal.event(sighting.sign, f"users/{_participant(sighting)}", told, right=right)


def _participant(sighting: Sighting) -> str:
    return sighting.path.split("/")[1]


def _attending(sighting: Sighting) -> list[str]:
    return [person["name"] for person in sighting.fields.get("attending", ())]


def _shows(sighting: Sighting, wanted: Mapping[str, Any] | None) -> bool:
    seen = {**sighting.fields, "attending": _attending(sighting)}
    return wanted is not None and all(seen.get(name) == v for name, v in wanted.items())


def _send(world: _World, request: Request) -> None:
    body = None if request.body is None else json.dumps(request.body)
    world.terminal.code(" ".join(filter(None, (request.method, request.path, body))))
    connection = http.client.HTTPConnection(urlsplit(world.address).netloc, timeout=_TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(request.method, request.path, body, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    finally:
        connection.close()
    world.terminal.answer(f"{answer.status}  {said.get('detail') or _brief(said)}")
    if answer.status != request.status:
        raise _UnexpectedError(
            f"{request.method} {request.path} was answered with {answer.status}, not "
            f"{request.status}: {said}"
        )


def _brief(answer: Mapping[str, Any]) -> str:
    return ", ".join(answer.get("results") or (f"{name}: {v}" for name, v in answer.items()))


def _propose(world: _World, proposal: Proposal) -> None:
    world.terminal.code(f"{proposal.collection}/p1", json.dumps(proposal.fields))
    world.observer.create(f"{proposal.collection}/p1", dict(proposal.fields))
