"""The output of commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from flask_boiler.ground.lifecycle import OwnThread

__all__ = ["counted", "line_of", "progress_told", "say_json", "say_parked", "tell"]

#: What takes no longer needs no progress.
_TELL_EVERY_S = 1.0


def tell(text: str) -> None:
    """Say something beside the results."""
    click.echo(text, err=True)


def say_json(value: Any) -> None:
    """Say a result for machines: one JSON document, whose keys are sorted."""
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def line_of(text: str) -> str:
    """The text in one line, without what a terminal would obey: it may quote what is stored."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def counted(number: int, noun: str) -> str:
    """A number with its noun, as ``3 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say_parked(lines: Iterable[str], unlisted: Mapping[str, int], noun: str, total: int) -> None:
    """Say what is parked.

    :param lines: what is said of each that has a record.
    :param unlisted: how many more there are of each mediator, which are counted only.
    :param noun: what they are, as in ``task``.
    :param total: how many they are in all.
    """
    for line in lines:
        click.echo(line)
    for mediator, number in unlisted.items():
        click.echo(f"and {number} more of {line_of(mediator)}, which are counted only")
    click.echo(f"{counted(total, noun)} parked")


@contextmanager
def progress_told(
    doing: str, done: Callable[[], str] = str, *, every_s: float = _TELL_EVERY_S
) -> Iterator[None]:
    """Show in the block, every second, how far something is; only to who looks at a terminal.

    :param doing: what is done, as ``exporting``.
    :param done: how much is done, in words.
    """
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    began_s = time.monotonic()

    def show() -> None:
        while not ended.wait(every_s):
            seconds = time.monotonic() - began_s
            # One line, which whatever is said next replaces.
            text = f"{doing} {done()}".rstrip()
            click.echo(f"\x1b[K{text}, {seconds:.0f} s\r", err=True, nl=False)
        click.echo("\x1b[K", err=True, nl=False)

    thread = OwnThread(show, name="flask-boiler-progress", stops="no progress is shown")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
