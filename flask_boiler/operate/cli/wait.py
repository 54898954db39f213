"""``flask boiler wait``: until the Firestore that the configuration names answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from flask_boiler.context.config import Config
from flask_boiler.ground.addresses import EMULATOR_VARIABLE, emulator_host, normalized_host
from flask_boiler.local.attached import refusal_of
from flask_boiler.local.embedded.storage.file_lock import holder_of
from flask_boiler.operate.cli.loading import Failure, Undetermined, errors_shown
from flask_boiler.operate.cli.shared_options import wait_option
from flask_boiler.operate.cli.terminal import tell

__all__ = ["command"]

_POLL_S = 0.1
#: The first is short, so that who waits is told soon.
_FIRST_ANSWER_WITHIN_S = 0.7
_ANSWER_WITHIN_S = 2.0
_TELL_EVERY_S = 10.0

#: Why a Firestore does not answer within some seconds; ``None`` if it does.
_Ask = Callable[[float], str | None]


@click.command("wait")
@click.option("--host", metavar="HOST:PORT", help="The address.  [default: as configured]")
@wait_option
def command(host: str | None, wait_s: float) -> None:
    """Wait until the configured Firestore answers.

    This command loads no application. It reads boiler.yaml and the environment
    (FIRESTORE_EMULATOR_HOST, BOILER_...). If Firestore is Google's own, it does not wait: there is
    nothing to be started.

    Exits with 0 when Firestore answers, 1 if it does not within --wait SECONDS, 2 if the
    configuration names none.
    """
    with errors_shown(failure=Undetermined):
        wanted = _wanted(host)
    if wanted is None:
        click.echo("the configured Firestore is Google's own: it was not asked")
        return
    _wait(*wanted, wait_s)
    click.echo(f"Firestore answers {wanted[0]}")


def _wanted(host: str | None) -> tuple[str, _Ask] | None:
    """Where the Firestore is, in words, and what asks it; ``None`` if it is Google's own.

    :raises ClickException: there is none that somebody else would have to start.
    """
    named = None if host is None else normalized_host(host, named_by="--host")
    config = None if named else Config.load()
    if config is not None:
        named = config.emulator_host or emulator_host()
    if named is not None:
        return f"at {named}", partial(_refusal_at, named)
    assert config is not None
    if config.chosen_firestore == "cloud":
        return None
    if config.firestore_file is not None:
        file = Path(config.firestore_file).expanduser()
        return f"with the data of {file}", partial(_refusal_of_file, file)
    if config.firestore_port:
        address = f"127.0.0.1:{config.firestore_port}"
        return f"at {address}", partial(_refusal_at, address)
    raise Undetermined(
        "there is nothing to wait for: the configuration names no running Firestore, so each "
        f"process starts its own. Set {EMULATOR_VARIABLE}=HOST:PORT, or give --host HOST:PORT"
    )


def _wait(where: str, ask: _Ask, wait_s: float) -> None:
    began_s = time.monotonic()
    tell_at_s = began_s
    within_s = _FIRST_ANSWER_WITHIN_S
    while (why := ask(within_s)) is not None:
        now_s = time.monotonic()
        if now_s - began_s >= wait_s:
            raise Failure(f"gave up after {wait_s:g} s: no Firestore answers {where} ({why})")
        if now_s >= tell_at_s:
            tell(f"Firestore does not answer {where}: {why}. Waiting for it")
            tell_at_s = now_s + _TELL_EVERY_S
        within_s = min(_ANSWER_WITHIN_S, max(_POLL_S, began_s + wait_s - now_s))
        threading.Event().wait(min(_POLL_S, max(0.0, began_s + wait_s - now_s)))


def _refusal_at(host: str, within_s: float) -> str | None:
    return refusal_of(host, timeout_s=within_s)


def _refusal_of_file(file: Path, within_s: float) -> str | None:
    holder = holder_of(file)
    if holder is None:
        return "no process serves it"
    if holder.address is None:
        return f"{holder} has it open, but does not serve it yet"
    return refusal_of(holder.address, timeout_s=within_s)
