"""A Firestore on this machine: somebody else's, or one that is started and ended here."""

from __future__ import annotations

import atexit
import http.client
import logging
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

from flask_boiler.emulator.installation import Installation, find_installation
from flask_boiler.emulator.supervised import SupervisedProcess
from flask_boiler.errors import ConfigurationError

__all__ = ["LocalFirestore", "start_google_emulator"]

_log = logging.getLogger(__name__)

_ADDRESS = "127.0.0.1"
_ATTEMPTS = 5
_POLL_S = 0.05
_ATTACH_TIMEOUT_S = 5.0


def start_google_emulator(
    *,
    emulator_jar: str | os.PathLike[str] | None = None,
    max_heap: str = "512m",
    timeout_s: float = 30.0,
) -> LocalFirestore:
    """A Firestore that answers: the one at ``FIRESTORE_EMULATOR_HOST``, or one of our own.

    One of our own ends with this process, however that ends. No environment variable is
    set: hand ``host`` on to whoever needs it.

    :param emulator_jar: the emulator to start; without it, the Cloud SDK and firebase-tools'
        cache are searched.
    :param max_heap: the most memory that its Java may use, in Java's notation.
    :param timeout_s: how long it may take to answer.
    :raises LocalFirestoreNotFoundError: there is none, with what to install.
    :raises ConfigurationError: it does not answer, with the end of its own output.
    """
    if host := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        return LocalFirestore.attach(host)
    started = LocalFirestore(
        find_installation(emulator_jar), max_heap=max_heap, timeout_s=timeout_s
    )
    started.start()
    return started


class LocalFirestore:
    """A Firestore on this machine, at ``host``; a context manager that stops it at the end.

    :param installation: what to start; ``None`` for a Firestore that somebody else runs.
    :param host: ``HOST:PORT``; without it, a free port of 127.0.0.1.
    """

    def __init__(
        self,
        installation: Installation | None,
        *,
        host: str | None = None,
        max_heap: str = "512m",
        timeout_s: float = 30.0,
    ) -> None:
        self._installation = installation
        self._max_heap = max_heap
        self._timeout_s = timeout_s
        self._host = host
        self._process: SupervisedProcess | None = None

    @classmethod
    def attach(cls, host: str) -> Self:
        """Somebody else's Firestore, which ``stop`` leaves alone.

        :raises ConfigurationError: nothing answers there.
        """
        deadline = time.monotonic() + _ATTACH_TIMEOUT_S
        while (refusal := _refusal(host)) is not None:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"FIRESTORE_EMULATOR_HOST is {host}, but no Firestore answers there "
                    f"({refusal}). Start it, or unset the variable to have one started."
                )
            _pause()
        return cls(None, host=host)

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
        """Whether it was started here, and so ends here."""
        return self._installation is not None

    @property
    def pid(self) -> int | None:
        """The process id of the running emulator, if it is our own."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens if it runs already.

        :raises ConfigurationError: it died, or does not answer in time.
        """
        if self._installation is None or self._process is not None:
            return
        for _ in range(_ATTEMPTS):
            host = self._host or _free_host()
            if self._start_at(host, self._installation):
                self._host = host
                _log.info("local Firestore at %s (process %s)", host, self.pid)
                return
        raise ConfigurationError(
            f"the Firestore emulator found its port taken {_ATTEMPTS} times, last {host}. "
            "Stop what listens there, or try again."
        )

    def _start_at(self, host: str, installation: Installation) -> bool:
        """Whether it answers at this host; ``False`` if another process has the port."""
        address, _, port = host.rpartition(":")
        process = SupervisedProcess(
            installation.command(host=address, port=int(port), max_heap=self._max_heap)
        )
        try:
            if not self._wait_for_answer(process, host):
                process.stop()
                return False
        except BaseException:
            process.stop()
            raise
        self._process = process
        atexit.register(self.stop)
        return True

    def _wait_for_answer(self, process: SupervisedProcess, host: str) -> bool:
        deadline = time.monotonic() + self._timeout_s
        # Its own announcement is waited for as well: what answers could be another emulator
        # that was quicker to take the port.
        while f"FIRESTORE_EMULATOR_HOST={host}" not in process.output() or _refusal(host):
            status = process.exit_status()
            if status is not None and "Address already in use" in process.output():
                return False
            if status is not None:
                raise _failure(f"the Firestore emulator ended with status {status}", process)
            if time.monotonic() > deadline:
                raise _failure(
                    f"the Firestore emulator does not answer at {host} "
                    f"within {self._timeout_s:g} s",
                    process,
                )
            _pause()
        return True

    def stop(self) -> None:
        """End it, if it was started here; returns when its process is gone."""
        if self._process is not None:
            self._process.stop()
            self._forget()

    def kill(self) -> None:
        """End it at once and lose what it holds, as a crash would; ``restart`` brings it back.

        :raises ConfigurationError: it is somebody else's.
        """
        self._refuse_unless_owned("kill")
        if self._process is not None:
            self._process.kill()
            self._forget()

    def restart(self) -> None:
        """Start it again, empty, at the same ``host``.

        :raises ConfigurationError: it is somebody else's, or it does not answer.
        """
        self._refuse_unless_owned("restart")
        self.stop()
        self.start()

    def _forget(self) -> None:
        self._process = None
        atexit.unregister(self.stop)

    def _refuse_unless_owned(self, action: str) -> None:
        if not self.owned:
            raise ConfigurationError(
                f"cannot {action} the Firestore at {self.host}: it was not started here. "
                "Unset FIRESTORE_EMULATOR_HOST to have one of your own."
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"LocalFirestore({self._host or 'not started'}, owned={self.owned})"


def _failure(what: str, process: SupervisedProcess) -> ConfigurationError:
    lines = process.output().strip().splitlines()[-20:]
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return ConfigurationError(f"{what}. The last that it printed:\n{said}")


def _free_host() -> str:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return f"{_ADDRESS}:{probe.getsockname()[1]}"


def _refusal(host: str) -> str | None:
    """Why what is at this host is no Firestore that answers, or ``None`` if it is one."""
    try:
        connection = http.client.HTTPConnection(host, timeout=2.0)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse().read(100)
        finally:
            connection.close()
    except http.client.InvalidURL as error:
        return f"{host!r} is not HOST:PORT: {error}"
    except http.client.HTTPException:
        return None  # it speaks HTTP/2 alone, as a Firestore may
    except OSError as error:
        return str(error)
    return None if answer.strip() == b"Ok" else "what answers there is something else"


def _pause() -> None:
    threading.Event().wait(_POLL_S)
