"""``flask boiler views``: what is parked, listed and retried from a terminal on any machine."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import with_appcontext

from flask_boiler.engine.parking.parked_views import (
    ParkedCount,
    ParkedView,
    RetryRequest,
    RetryState,
    asking,
    parked_in,
    records_of,
    summary_path,
    view_path,
)
from flask_boiler.ground.errors import ConflictError, DocumentNotFoundError
from flask_boiler.ground.ports import Datastore
from flask_boiler.operate.cli.loading import counted, line_of, opened_boiler, tell, wait_option
from flask_boiler.operate.extension import Boiler

__all__ = ["views"]

#: A worker that runs has heard of a request by then.
_HEARD_WITHIN_S = 10.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_TELL_EVERY_S = 5.0
_MOST_AT_ONCE = 200


@click.group("views")
def views() -> None:
    """See to the views that are parked, in whichever process."""


_mediator_option = click.option(
    "--mediator", "name", help="Only that mediator's views; by default those of all."
)


@views.command("list")
@_mediator_option
@click.option("--json", "as_json", is_flag=True, help="As one JSON document, for machines.")
@wait_option
@with_appcontext
def list_views(name: str | None, as_json: bool, wait_s: float) -> None:
    """List the parked views, the longest parked first: since when, which, where, and why.

    The status is 0 if none is parked, 1 if any is, and 2 if that could not be found out.
    """
    with _failing_with(2), opened_boiler(wait_s) as boiler:
        found = _Found.of(boiler, name)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        for view in found.views:
            click.echo(
                f"{view.since:%Y-%m-%d %H:%M:%S} UTC  {line_of(str(view.key))}  "
                f"({line_of(view.process)})  {line_of(f'{view.kind}: {view.error}')}"
            )
        for mediator, number in found.unlisted.items():
            click.echo(f"and {number} more of {line_of(mediator)}, which are counted only")
        click.echo(f"{counted(found.total, 'view')} parked")
    if found.total:
        raise click.exceptions.Exit(1)


@views.command("retry")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "every", is_flag=True, help="All that are parked.")
@_mediator_option
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=math.inf,
    metavar="SECONDS",
    help="How long to wait for Firestore, and for the outcome.  [default: for ever]",
)
@with_appcontext
def retry_views(keys: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Have parked views computed again by the workers that keep them, and wait for the outcome.

    KEY is as 'list' shows it. The status is 1 if one is not known, is parked again, or has no
    worker that answers; such a request stays, and the next worker to start computes the view.
    """
    if every == bool(keys):
        raise click.UsageError("name the views by their keys, or say --all")
    with opened_boiler(wait_s) as boiler:
        found = _Found.of(boiler, name)
        chosen = found.views if every else found.named(keys)
        counts = found.counts if every else []
        if not chosen and not counts:
            click.echo("nothing is parked")
            return
        retrying = _Retrying(boiler.context.datastore, chosen, counts)
        retrying.ask()
        tell(f"asked for {counted(len(chosen), 'view')}" + found.others_asked(counts))
        retrying.wait(wait_s)
    click.echo(f"{retrying.well} of {counted(len(chosen), 'view')} well again")
    if retrying.well < len(chosen) or retrying.failed:
        raise click.exceptions.Exit(1)


class _Found:
    """What is recorded as parked."""

    def __init__(self, views: list[ParkedView], counts: list[ParkedCount]) -> None:
        self.views = sorted(views, key=lambda view: view.since)
        self.counts = counts
        #: How many are parked that have no record of their own, by mediator.
        self.unlisted: dict[str, int] = {}
        for count in counts:
            listed = sum(view.key.mediator == count.mediator for view in views)
            if count.total > listed:
                self.unlisted[count.mediator] = count.total - listed

    @classmethod
    def of(cls, boiler: Boiler, name: str | None) -> _Found:
        found = cls(*parked_in(boiler.context.datastore, name))
        names = [str(getattr(mediator, "name", "")) for mediator in boiler.mediators]
        if name is not None and not found.total and name not in names:
            known = ", ".join(filter(None, names)) or "none"
            raise click.UsageError(
                f"no mediator is called {name!r}; those of this application: {known}"
            )
        return found

    @property
    def total(self) -> int:
        return len(self.views) + sum(self.unlisted.values())

    def named(self, keys: tuple[str, ...]) -> list[ParkedView]:
        """The views of these keys."""
        by_key = {str(view.key): view for view in self.views}
        unknown = sorted(set(keys) - by_key.keys())
        if unknown:
            more = sum(self.unlisted.values())
            hint = f". {more} more are parked than have a record: --all means these, too"
            raise click.ClickException(
                f"not parked: {', '.join(unknown)}; 'flask boiler views list' says what is"
                + (hint if more else "")
            )
        return [by_key[key] for key in dict.fromkeys(keys)]

    def others_asked(self, counts: list[ParkedCount]) -> str:
        """What is said of those that have no record, if they are asked for."""
        number = sum(self.unlisted.get(count.mediator, 0) for count in counts)
        return f", and {number} that are counted only" if number else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "count": self.total,
            "parked": [
                {
                    "key": str(view.key),
                    "mediator": view.key.mediator,
                    "root": view.key.root,
                    "since": view.since.isoformat(),
                    "process": view.process,
                    "kind": view.kind,
                    "error": view.error,
                }
                for view in self.views
            ],
            "counted_only": self.unlisted,
        }


class _Retrying:
    """Requests for retries, until they are answered."""

    def __init__(
        self, datastore: Datastore, views: list[ParkedView], counts: list[ParkedCount]
    ) -> None:
        self._datastore = datastore
        self._id = uuid.uuid4().hex
        self._names = {view_path(view.key): str(view.key) for view in views}
        self._names |= {summary_path(c.mediator): f"the others of {c.mediator}" for c in counts}
        self._mediators = {view_path(view.key): view.key.mediator for view in views}
        self._mediators |= {summary_path(count.mediator): count.mediator for count in counts}
        self._counts = {summary_path(count.mediator) for count in counts}
        #: What is not answered yet, by path, with the request that is waited for.
        self._pending = dict.fromkeys(self._names, self._id)
        #: The mediators that some worker keeps.
        self._kept: set[str] = set()
        self.well = 0
        self.failed = False

    def ask(self) -> None:
        """Make the requests; what is well already needs none."""
        self._ask(list(self._pending))

    def wait(self, wait_s: float) -> None:
        """Wait until all is answered, nobody seems to be there who could, or time is over."""
        began_s = told_s = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while self._pending:
            time.sleep(max(0.0, min(pause_s, began_s + wait_s - time.monotonic())))
            pause_s = min(_LONGEST_PAUSE_S, 1.5 * pause_s)
            self._look()
            now_s = time.monotonic()
            if now_s - began_s >= wait_s:
                self._give_up(list(self._pending), f"has no outcome after {wait_s:g} s")
            elif now_s - began_s >= _HEARD_WITHIN_S:
                unheard = [p for p in self._pending if self._mediators[p] not in self._kept]
                self._give_up(unheard, f"was heard by no worker within {_HEARD_WITHIN_S:g} s")
            if self._pending and now_s - told_s >= _TELL_EVERY_S:
                told_s = now_s
                done = len(self._names) - len(self._pending)
                tell(f"{done} of {len(self._names)} answered; waiting for the others")

    def _ask(self, paths: list[str]) -> None:
        for start in range(0, len(paths), _MOST_AT_ONCE):
            some = paths[start : start + _MOST_AT_ONCE]
            try:
                self._datastore.commit([asking(path, self._id) for path in some])
            except (ConflictError, DocumentNotFoundError):
                # At least one is well meanwhile.
                for path in some:
                    self._ask_one(path)

    def _ask_one(self, path: str) -> None:
        try:
            self._datastore.commit([asking(path, self._id)])
        except (ConflictError, DocumentNotFoundError):
            # It is gone, as it will be found to be.
            return

    def _look(self) -> None:
        lost = []
        paths = list(self._pending)
        for path, stored in self._datastore.get(paths).items():
            views, counts = records_of([stored])
            found: list[ParkedView | ParkedCount] = [*views, *counts]
            record = next(iter(found), None)
            if record is None:
                self._end(path, well=True)
            elif record.request is None:
                # A worker wrote what it knew before it could hear of the request.
                lost.append(path)
            else:
                self._judge(path, record, record.request)
        self._pending |= dict.fromkeys(lost, self._id)
        self._ask(lost)

    def _judge(self, path: str, record: ParkedView | ParkedCount, request: RetryRequest) -> None:
        if request.state is not RetryState.ASKED:
            self._kept.add(self._mediators[path])
        if request.state is RetryState.DONE:
            if request.id == self._pending[path] and isinstance(record, ParkedView):
                said = line_of(f"{record.kind}: {record.error}")
                click.echo(f"{self._names[path]} is parked again: {said}")
                self._end(path, well=False)
            elif request.id == self._pending[path]:
                click.echo(f"{self._names[path]} are being tried; 'list' shows what becomes of it")
                self._end(path, well=False)
            else:
                self._pending[path] = self._id
                self._ask([path])
        elif request.id != self._pending[path]:
            # Somebody else asked for the same: one answer does for both.
            self._pending[path] = request.id

    def _end(self, path: str, *, well: bool) -> None:
        del self._pending[path]
        self._kept.add(self._mediators[path])
        if path in self._counts:
            return
        if well:
            self.well += 1
            click.echo(f"{line_of(self._names[path])} is well again")

    def _give_up(self, paths: list[str], why: str) -> None:
        for path in paths:
            del self._pending[path]
            self.failed = True
            click.echo(f"{line_of(self._names[path])} {why}")
        if paths:
            tell(
                "if no worker runs ('flask boiler run'), none can answer: the request stays, and "
                "whatever is parked is computed again when one starts"
            )


@contextmanager
def _failing_with(status: int) -> Iterator[None]:
    """Errors end the command with this status."""
    try:
        yield
    except click.ClickException as error:
        error.show()
        raise click.exceptions.Exit(status) from error
