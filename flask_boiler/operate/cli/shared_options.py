"""Options that several commands have, each with one name and one meaning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

from flask_boiler.ground.addresses import socket_address

__all__ = [
    "every_option",
    "json_option",
    "listening_address",
    "mediator_option",
    "outcome_option",
    "seconds_of",
    "wait_option",
]

_Decorator = Callable[[Any], Any]

_PORTS = range(1, 2**16)


def seconds_of(context: Any, option: Any, value: str) -> float:
    """The callback of an option that is a number of seconds.

    :raises BadParameter: it is none, or less than 0.
    """
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    # What is no number is not less than any.
    if not seconds >= 0:
        raise click.BadParameter(f"{value!r} is not a number of seconds, such as 30")
    return seconds


wait_option: _Decorator = click.option(
    "--wait",
    "wait_s",
    callback=seconds_of,
    default="inf",
    metavar="SECONDS",
    help="How long to wait if Firestore does not answer.  [default: for ever]",
)

outcome_option: _Decorator = click.option(
    "--wait",
    "wait_s",
    callback=seconds_of,
    default="inf",
    metavar="SECONDS",
    help="How long to wait for Firestore and for the workers.  [default: for ever]",
)

json_option: _Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."
)

mediator_option: _Decorator = click.option(
    "--mediator", "name", metavar="NAME", help="Only those of this mediator.  [default: all]"
)

every_option: _Decorator = click.option("--all", "every", is_flag=True, help="All that are parked.")


def listening_address(context: Any, option: Any, value: str | None) -> tuple[str, int] | None:
    """The callback of an option that is ``HOST:PORT``: the pair of both.

    :raises BadParameter: it is not.
    """
    if value is None:
        return None
    try:
        host, port = socket_address(value)
    except ValueError:
        host, port = "", 0
    if not host or port not in _PORTS:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8081")
    return host, port
