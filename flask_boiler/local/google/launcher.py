"""A Firestore in a process of its own: started, killed, restarted and ended here."""

from __future__ import annotations

import atexit
import dataclasses
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import emulator_host
from flask_boiler.ground.lifecycle import Startable
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.local.attached import AttachedFirestore, pause, refusal_of
from flask_boiler.local.google.installation import find_installation
from flask_boiler.local.google.supervised import SupervisedProcess

__all__ = ["FirestoreProcess", "Program", "start_google_emulator"]

_log = logging.getLogger(__name__)

_ADDRESS = "127.0.0.1"
_ATTEMPTS = 5


class Program(Protocol):
    """A program that serves Firestore.

    When it answers, it prints ``FIRESTORE_EMULATOR_HOST=ADDRESS:PORT``; when somebody else has
    the port, it ends and says ``Address already in use``.
    """

    def command(self, *, address: str, port: int) -> Sequence[str]:
        """The command line that serves Firestore at ``address:port``."""
        ...


def start_google_emulator(
    *,
    emulator_jar: str | os.PathLike[str] | None = None,
    max_heap: str = "512m",
    timeout_s: float = 30.0,
) -> LocalFirestore:
    """A Firestore that answers: the one at ``FIRESTORE_EMULATOR_HOST``, or Google's emulator.

    The emulator ends with this process, however that ends. No environment variable is
    set: hand ``host`` on to whoever needs it.

    :param emulator_jar: the emulator to start; without it, the Cloud SDK and firebase-tools'
        cache are searched.
    :param max_heap: the most memory that its Java may use, in Java's notation.
    :param timeout_s: how long it may take to answer.
    :raises LocalFirestoreNotFoundError: there is none, with what to install.
    :raises ConfigurationError: it does not answer, with the end of its own output.
    """
    if host := emulator_host():
        return AttachedFirestore(host)
    installation = dataclasses.replace(find_installation(emulator_jar), max_heap=max_heap)
    started = FirestoreProcess(installation, timeout_s=timeout_s)
    started.start()
    return started


class FirestoreProcess(Startable):
    """A Firestore in a process of its own, at ``host``; a context manager that runs it.

    :param program: what to start.
    :param host: ``HOST:PORT``; without it, a free port of 127.0.0.1.
    :param timeout_s: how long it may take to answer.
    """

    def __init__(
        self, program: Program, *, host: str | None = None, timeout_s: float = 30.0
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._host = host
        self._process: SupervisedProcess | None = None

    @property
    def host(self) -> str:
        """``HOST:PORT``; it stays the same over ``restart``.

        :raises ConfigurationError: it was never started.
        """
        if self._host is None:
            raise ConfigurationError("this local Firestore was not started; call start() first")
        return self._host

    @property
    def owned(self) -> bool:
        """Whether it is started here, and so ends here: always."""
        return True

    @property
    def pid(self) -> int | None:
        """The process id of the program while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens if it runs already.

        :raises ConfigurationError: it died, does not answer in time, or its port is taken.
        """
        if self._process is not None:
            return
        if self._host is not None:
            self._start_at_own(self._host)
            return
        tried: list[str] = []
        while len(tried) < _ATTEMPTS:
            tried.append(_free_host())
            if self._start_at(tried[-1]):
                return
        raise ConfigurationError(
            f"the local Firestore found its port taken {_ATTEMPTS} times, last {tried[-1]}. "
            "Stop what listens there, or try again."
        )

    def _start_at_own(self, host: str) -> None:
        # Who listens at this very port still does so the next moment.
        if not self._start_at(host):
            raise ConfigurationError(
                f"the local Firestore cannot listen at {host}: the port is taken. Stop what "
                "listens there, or choose another port"
            )

    def _start_at(self, host: str) -> bool:
        """Whether it answers at this host; ``False`` if another process has the port."""
        address, _, port = host.rpartition(":")
        process = SupervisedProcess(self._program.command(address=address, port=int(port)))
        try:
            if not self._wait_for_answer(process, host):
                process.stop()
                return False
        except BaseException:
            process.stop()
            raise
        self._process, self._host = process, host
        _log.info("local Firestore at %s (process %s)", host, process.pid)
        atexit.register(self.stop)
        return True

    def _wait_for_answer(self, process: SupervisedProcess, host: str) -> bool:
        deadline = time.monotonic() + self._timeout_s
        # Its own announcement is waited for as well: what answers could be another emulator
        # that was quicker to take the port.
        while f"FIRESTORE_EMULATOR_HOST={host}" not in process.output() or refusal_of(host):
            status = process.exit_status()
            if status is not None and "Address already in use" in process.output():
                return False
            if status is not None:
                raise _failure(f"the local Firestore ended with status {status}", process)
            if time.monotonic() > deadline:
                raise _failure(
                    f"the local Firestore does not answer at {host} within {self._timeout_s:g} s",
                    process,
                )
            pause()
        return True

    def stop(self) -> None:
        """End it; returns when its process is gone."""
        if self._process is not None:
            self._process.stop()
            self._forget()

    def kill(self) -> None:
        """End it at once, as a crash would; ``restart`` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._forget()

    def restart(self) -> None:
        """Start it again at the same ``host``; what was in memory alone is gone.

        :raises ConfigurationError: it does not answer.
        """
        self.stop()
        self.start()

    def _forget(self) -> None:
        self._process = None
        atexit.unregister(self.stop)

    def __repr__(self) -> str:
        return f"FirestoreProcess({self._host or 'not started'})"


def _failure(what: str, process: SupervisedProcess) -> ConfigurationError:
    lines = process.output().strip().splitlines()[-20:]
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return ConfigurationError(f"{what}. The last that it printed:\n{said}")


def _free_host() -> str:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return f"{_ADDRESS}:{probe.getsockname()[1]}"
