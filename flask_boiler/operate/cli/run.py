"""``flask boiler run``: the mediators as all that a process does."""

from __future__ import annotations

import contextvars
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.ground.signals import EndRequests
from flask_boiler.operate.cli.health_server import serving_health
from flask_boiler.operate.cli.loading import (
    Failure,
    Undetermined,
    boiler_of_app,
    errors_shown,
    reachability_told,
)
from flask_boiler.operate.cli.shared_options import listening_address, seconds_of, wait_option
from flask_boiler.operate.cli.terminal import tell

if TYPE_CHECKING:
    from flask_boiler.firestore.reachability import Reachability
    from flask_boiler.operate.extension import Boiler

__all__ = ["command"]

_POLL_S = 0.1
#: What is in hand has so long to be finished, and then all of it to end.
_FINISH_WITHIN_S = 4.0
_END_WITHIN_S = 4.6


@click.command("run")
@click.option(
    "--http",
    "http_address",
    metavar="HOST:PORT",
    callback=listening_address,
    help="Serve /healthz and /readyz at this address.",
)
@wait_option
@click.option(
    "--status-every",
    "status_every_s",
    callback=seconds_of,
    default="60",
    show_default=True,
    metavar="SECONDS",
    help="How often to print a status line; 0 for never.",
)
def command(status_every_s: float, wait_s: float, http_address: tuple[str, int] | None) -> None:
    """Run the mediators until Ctrl-C.

    After Ctrl-C (SIGINT), SIGTERM or SIGHUP it finishes what it has begun, within five seconds; a
    second signal ends it at once. The next start does what was not finished.

    Exits with 0 after such a signal, 1 if Firestore does not answer within --wait SECONDS or if it
    cannot listen at --http HOST:PORT.
    """
    boiler = boiler_of_app()
    if not boiler.mediators:
        raise Undetermined(
            "there is nothing to run: add mediators with boiler.add(QueryMediator(...))"
        )
    with (
        EndRequests() as requests,
        errors_shown(wait_s),
        reachability_told(boiler.context) as reachability,
        _health_served(http_address, boiler),
    ):
        worker = _Worker(boiler, reachability, requests)
        try:
            if worker.start(wait_s):
                worker.work(status_every_s, wait_s)
        finally:
            worker.end()
    click.echo("stopped")


def _health_served(address: tuple[str, int] | None, boiler: Boiler) -> AbstractContextManager[None]:
    return nullcontext() if address is None else serving_health(address, lambda: boiler.health)


class _Worker:
    """The mediators in this process, from their start to their end.

    What may wait is done on other threads, so that a signal is heard at any time.
    """

    def __init__(self, boiler: Boiler, reachability: Reachability, requests: EndRequests) -> None:
        self._boiler = boiler
        self._reachability = reachability
        self._requests = requests
        self._starting: _Doing | None = None

    def start(self, wait_s: float) -> bool:
        """Start the mediators; whether they run. Not if the process is asked to end before.

        :raises UnavailableError: Firestore has not answered in time.
        """
        self._starting = _Doing("start", lambda: self._boiler.start(wait_s=wait_s))
        while not self._starting.is_over():
            if self._requests.wait(_POLL_S) is not None:
                return False
        self._starting.raise_error()
        click.echo(f"{len(self._boiler.mediators)} mediator(s) running; Ctrl-C to stop")
        if (local := self._boiler.context.local_host) is not None:
            click.echo(
                f"Firestore at {local}; other processes need FIRESTORE_EMULATOR_HOST={local}"
            )
        return True

    def work(self, status_every_s: float, wait_s: float) -> None:
        """Say how the mediators fare, until the process is asked to end."""
        every_s = status_every_s or math.inf
        say_at = time.monotonic() + every_s
        while True:
            awaited = wait_s < math.inf and not self._reachability.has_answered
            pause_s = min(say_at - time.monotonic(), _POLL_S if awaited else math.inf)
            if self._requests.wait(None if pause_s == math.inf else max(0.0, pause_s)) is not None:
                return
            if awaited and self._reachability.silent_s >= wait_s:
                raise Failure(
                    f"gave up after {wait_s:g} s: no Firestore answers at "
                    f"{self._reachability.where}"
                )
            if time.monotonic() >= say_at:
                click.echo(str(self._boiler.health))
                say_at = time.monotonic() + every_s

    def end(self) -> None:
        """Finish what is in hand, and end in time whatever that is."""
        click.echo("stopping: finishing the work that has begun")
        ends_at = time.monotonic() + _END_WITHIN_S
        ending = _Doing("end", self._finish)
        while not ending.is_over():
            if time.monotonic() >= ends_at:
                tell("something takes too long to finish; the next start does it")
                return
            if self._requests.wait(_POLL_S) is not None:
                tell("a second signal: the next start does what is not finished")
                self._reachability.give_up()
        ending.raise_error()

    def _finish(self) -> None:
        if self._starting is not None and not self._starting.is_over():
            # It may wait for a Firestore that is not there, and ends what it began.
            self._reachability.give_up()
            self._starting.join(_FINISH_WITHIN_S)
        self._boiler.close(within_s=_FINISH_WITHIN_S)


class _Doing:
    """Something that is done on a thread of its own, in the caller's context."""

    def __init__(self, name: str, do: Callable[[], None]) -> None:
        self._do = do
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = OwnThread(
            partial(context.run, self._run),
            name=f"flask-boiler-{name}",
            stops="the rest of this command is not done",
        )
        self._thread.start()

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._do()
        except BaseException as error:
            self._error = error
