"""The Firestore on this machine that an application works with, unless it is Google's own.

Which one that is, its configuration says; see ``docs/configuration.md``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from flask_boiler.context.config import Config
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import emulator_host
from flask_boiler.ground.lifecycle import Stoppable
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.local.attached import AttachedFirestore
from flask_boiler.local.embedded_program import EmbeddedProgram
from flask_boiler.local.google.installation import find_installation
from flask_boiler.local.google.launcher import FirestoreProcess
from flask_boiler.local.joined import joined

__all__ = ["start_local_firestore"]

_ADDRESS = "127.0.0.1"


def start_local_firestore(config: Config) -> LocalFirestore:
    """The local Firestore that a configuration asks for; it answers already.

    One that runs is used and left alone (``emulator_host``, ``FIRESTORE_EMULATOR_HOST``). Else
    one is started, which all those share who ask for the same in this process, and which ends
    with the last of them, or with the process. Where another process serves the ``firestore_file``
    already, that one is used, except in production, where it might end at any time.

    :raises LocalFirestoreNotFoundError: it is to be Google's emulator, and there is none.
    :raises ConfigurationError: it cannot be started, or Google's own is asked for.
    """
    if config.emulator_host:
        return AttachedFirestore(config.emulator_host, named_by="emulator_host")
    if host := emulator_host():
        return AttachedFirestore(host)
    return _Lease(_running, _Wanted.of(config))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The Firestore that is wanted; those that want the same share it."""

    kind: str
    file: str | None
    port: int
    trusted_hosts: tuple[str, ...]
    own_process: bool
    emulator_jar: str | None
    #: Whether another process that has the file open will do, which may end at any time.
    joins: bool

    @classmethod
    def of(cls, config: Config) -> Self:
        file = config.firestore_file
        return cls(
            config.chosen_firestore,
            None if file is None else str(Path(file).expanduser().absolute()),
            config.firestore_port,
            config.trusted_hosts,
            config.firestore_own_process,
            config.emulator_jar,
            config.runtime != "production",
        )

    def start(self) -> _Stoppable:
        if self.kind == "cloud":
            raise ConfigurationError(
                "the configuration asks for Google's own Firestore, not for a local one; set "
                "firestore (BOILER_FIRESTORE) to embedded or google-emulator"
            )
        if self.kind != "embedded" or self.file is None or not self.joins:
            return self._started()
        # One server has a file at a time, and all who want it can use that one.
        return joined(self.file) or self._started_or_joined(self.file)

    def _started_or_joined(self, file: str) -> _Stoppable:
        try:
            return self._started()
        except ConfigurationError:
            # Somebody may have been quicker.
            found = joined(file)
            if found is None:
                raise
            return found

    def _started(self) -> _Stoppable:
        made = self._make()
        made.start()
        return made

    def _make(self) -> _Startable:
        host = f"{_ADDRESS}:{self.port}" if self.port else None
        if self.kind == "google-emulator":
            return FirestoreProcess(find_installation(self.emulator_jar), host=host)
        if self.own_process:
            return FirestoreProcess(EmbeddedProgram(self.file, self.trusted_hosts), host=host)
        # It is what most applications never need in production.
        from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
        from flask_boiler.local.embedded.storage.database import MEMORY

        return EmbeddedFirestore(
            self.file or MEMORY, port=self.port, trusted_hosts=self.trusted_hosts
        )


class _Stoppable(Protocol):
    """A Firestore that answers at an address until it is stopped."""

    @property
    def host(self) -> str: ...

    def stop(self) -> None: ...


class _Startable(_Stoppable, Protocol):
    """A Firestore that does so once it is started."""

    def start(self) -> object: ...


class _Running:
    """The Firestores that this process has started, and how many use each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[_Wanted, _Stoppable] = {}
        self._users: dict[_Wanted, int] = {}

    def take(self, wanted: _Wanted) -> str:
        """Start it unless it runs; where it is."""
        with self._lock:
            if wanted not in self._started:
                self._started[wanted] = wanted.start()
            self._users[wanted] = self._users.get(wanted, 0) + 1
            return self._started[wanted].host

    def give_back(self, wanted: _Wanted) -> None:
        """Stop it if nobody else uses it."""
        with self._lock:
            self._users[wanted] -= 1
            if self._users[wanted]:
                return
            del self._users[wanted]
            # Whoever wants it now has to wait until it has gone: its file and its port are taken.
            self._started.pop(wanted).stop()


class _Lease(Stoppable):
    """A user's share in a local Firestore of this process."""

    def __init__(self, running: _Running, wanted: _Wanted) -> None:
        self._host = running.take(wanted)
        self._give_back: Callable[[], None] | None = lambda: running.give_back(wanted)

    @property
    def host(self) -> str:
        return self._host

    @property
    def owned(self) -> bool:
        return True

    def stop(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __repr__(self) -> str:
        return f"<local Firestore at {self._host}>"


_running = _Running()


def _start_anew() -> None:
    # What the parent has started is the parent's to stop.
    global _running  # noqa: PLW0603
    _running = _Running()


os.register_at_fork(after_in_child=_start_anew)
