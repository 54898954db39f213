"""The application that a command is about: loading it, and working with its Firestore."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import Flask, current_app
from flask.cli import NoAppException, ScriptInfo

from flask_boiler.errors import BoilerError, UnavailableError
from flask_boiler.operate.cli.terminal import line_of, tell

if TYPE_CHECKING:
    from flask_boiler.context.context import ApplicationContext
    from flask_boiler.firestore.reachability import Reachability
    from flask_boiler.operate.extension import Boiler

__all__ = [
    "FOUND",
    "Failure",
    "Undetermined",
    "application",
    "boiler_of_app",
    "errors_shown",
    "opened_boiler",
    "reachability_told",
]

#: The status of a command that found something, or could not do what it was asked for.
FOUND = 1

#: An exception of click's that ends a command.
_Kind = type[click.ClickException]

#: A command that is over, or interrupted, waits no longer for what it has opened.
_END_WITHIN_S = 4.0


class Failure(click.ClickException):
    """A failure that ends a command with a message and status 1: something could not be done."""

    exit_code = 1


class Undetermined(click.ClickException):
    """A failure that ends a command with status 2: something could not be found out.

    It ends a command with a message, and a status of 2: 1 would say that something was found.
    """

    exit_code = 2


def application() -> Flask:
    """The application that the command is about, loaded, with its context in force until the end.

    :raises ClickException: it cannot be loaded, with a status of 2.
    """
    context = click.get_current_context()
    app = _loaded_app(context.ensure_object(ScriptInfo))
    if not current_app or current_app._get_current_object() is not app:  # type: ignore[attr-defined]
        context.with_resource(app.app_context())
    return app


def _loaded_app(info: ScriptInfo) -> Flask:
    """The application that is named, or found in ``wsgi.py`` or ``app.py``."""
    try:
        return info.load_app()
    except NoAppException as error:
        raise Undetermined(error.format_message()) from error
    except BoilerError as error:
        raise Undetermined(f"the application cannot be loaded: {error}") from error
    except Exception as error:
        # Whoever wrote the application needs to know where.
        tell(traceback.format_exc().rstrip())
        said = line_of(f"{type(error).__name__}: {error}")
        raise Undetermined(f"the application cannot be loaded: {said}") from error


def boiler_of_app() -> Boiler:
    """The Boiler of the application that the command is about.

    :raises ClickException: there is none, or the application cannot be loaded.
    """
    app = application()
    from flask_boiler.operate.extension import Boiler

    boiler = app.extensions.get("boiler")
    if not isinstance(boiler, Boiler):
        raise Undetermined(
            f"the app {app.name!r} has no Boiler: make one with Boiler(app), and add its mediators "
            "with boiler.add(...)"
        )
    return boiler


@contextmanager
def opened_boiler(wait_s: float, *, failure: _Kind = Failure) -> Iterator[Boiler]:
    """The application's Boiler, for a command that waits no longer than this for its Firestore.

    :param failure: what the command ends with if it cannot be done.
    :raises ClickException: for every error of the framework's own in the block.
    """
    from flask_boiler.firestore.patience import waiting_at_most

    boiler = boiler_of_app()
    try:
        with (
            errors_shown(wait_s, failure=failure),
            reachability_told(boiler.context),
            boiler.context.activated(),
            waiting_at_most(wait_s),
        ):
            yield boiler
    finally:
        boiler.close(within_s=_END_WITHIN_S)


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
def errors_shown(wait_s: float = math.inf, *, failure: _Kind = Failure) -> Iterator[None]:
    """The framework's own errors as a command shows them: a message and a status.

    :param failure: what is raised instead.
    """
    try:
        yield
    except UnavailableError as error:
        waited = "" if wait_s == math.inf else f"gave up after {wait_s:g} s: "
        raise failure(f"{waited}{line_of(str(error))}") from error
    except BoilerError as error:
        raise failure(str(error)) from error
