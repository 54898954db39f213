"""The application that a command is about, and waiting for its Firestore."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import current_app

from flask_boiler.context.context import ApplicationContext
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.firestore.reachability import Reachability
from flask_boiler.ground.errors import BoilerError, UnavailableError
from flask_boiler.operate.extension import Boiler

__all__ = [
    "boiler_of_app",
    "counted",
    "errors_shown",
    "line_of",
    "opened_boiler",
    "reachability_told",
    "tell",
    "wait_option",
]

wait_option: Callable[[Any], Any] = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=math.inf,
    metavar="SECONDS",
    help="How long to wait for a Firestore that does not answer.  [default: for ever]",
)


def boiler_of_app() -> Boiler:
    """The Boiler of the application at work.

    :raises ClickException: there is none, or it has nothing to do.
    """
    boiler = current_app.extensions.get("boiler")
    if not isinstance(boiler, Boiler):
        raise click.ClickException(
            f"the app {current_app.name!r} has no Boiler: create one with Boiler(app), and add "
            "its mediators with boiler.add(...)"
        )
    if not boiler.mediators:
        raise click.ClickException(
            "there is nothing to run: add mediators with boiler.add(QueryMediator(...))"
        )
    return boiler


@contextmanager
def opened_boiler(wait_s: float) -> Iterator[Boiler]:
    """The application's Boiler, for a command that waits no longer than this for its Firestore.

    :raises ClickException: for every error of the framework's own in the block.
    """
    boiler = boiler_of_app()
    try:
        with (
            errors_shown(wait_s),
            reachability_told(boiler.context),
            boiler.context.activated(),
            waiting_at_most(wait_s),
        ):
            yield boiler
    finally:
        boiler.close()


@contextmanager
def reachability_told(context: ApplicationContext) -> Iterator[Reachability]:
    """Tell in the block who looks at the terminal, rather than the log, if Firestore is silent."""
    reachability = context.datastore.reachability
    before, reachability.tell = reachability.tell, tell
    try:
        yield reachability
    finally:
        reachability.tell = before


@contextmanager
def errors_shown(wait_s: float = math.inf) -> Iterator[None]:
    """The framework's own errors as a command shows them, with a status of 1."""
    try:
        yield
    except UnavailableError as error:
        waited = "" if wait_s == math.inf else f"gave up after {wait_s:g} s: "
        raise click.ClickException(f"{waited}{line_of(str(error))}") from error
    except BoilerError as error:
        raise click.ClickException(str(error)) from error


def tell(text: str) -> None:
    """Say something beside the results."""
    click.echo(text, err=True)


def line_of(text: str) -> str:
    """The text in one line, without what a terminal would obey: it may quote what is stored."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def counted(number: int, noun: str) -> str:
    """A number with its noun, as ``3 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
