"""A Firestore on this machine that somebody else runs."""

from __future__ import annotations

import http.client
import threading
import time

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.lifecycle import Stoppable

__all__ = ["AttachedFirestore", "pause", "refusal_of"]

_POLL_S = 0.05
_ATTACH_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 2.0


class AttachedFirestore(Stoppable):
    """A Firestore that somebody else runs: it answers, and ``stop`` leaves it alone.

    :param host: its ``HOST:PORT``.
    :param named_by: the setting that names it, for the error.
    :raises ConfigurationError: nothing answers there.
    """

    def __init__(self, host: str, *, named_by: str = "FIRESTORE_EMULATOR_HOST") -> None:
        deadline = time.monotonic() + _ATTACH_TIMEOUT_S
        while (refusal := refusal_of(host)) is not None:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"{named_by} is {host}, but no Firestore answers there "
                    f"({refusal}). Start it, or unset {named_by} to have one started."
                )
            pause()
        self._host = host

    @property
    def host(self) -> str:
        """``HOST:PORT``."""
        return self._host

    @property
    def owned(self) -> bool:
        """Whether it was started here: never."""
        return False

    def stop(self) -> None:
        """Leave it as it is."""

    def __repr__(self) -> str:
        return f"AttachedFirestore({self._host!r})"


def refusal_of(host: str, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> str | None:
    """Why what is at this host is no Firestore that answers, or ``None`` if it is one."""
    try:
        connection = http.client.HTTPConnection(host, timeout=timeout_s)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse().read(100)
        finally:
            connection.close()
    except (http.client.InvalidURL, UnicodeError) as error:
        return f"{host!r} is not HOST:PORT: {error}"
    except http.client.HTTPException:
        return None  # it speaks HTTP/2 alone, as a Firestore may
    except OSError as error:
        return str(error)
    return None if answer.strip() == b"Ok" else "another program answers there"


def pause() -> None:
    """Wait a moment before asking again."""
    threading.Event().wait(_POLL_S)
