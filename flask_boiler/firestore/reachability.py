"""The record of whether a Firestore answers, and the way to end all waiting for it.

::

    call ──► waits ──► answered ──────────────────────────► all is well
               │  └──► no answer ──► asked again, by whoever wants to
               └── give_up(): cancelled, and so is every later one until resume()

Nothing is ever asked only to find out: a status costs no read. While somebody waits, a thread looks
at how long Firestore has been silent, and tells it: at first within a second, then now and then,
and once more when Firestore answers again. While nobody waits there is no thread.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from flask_boiler.errors import UnavailableError
from flask_boiler.ground.addresses import socket_address
from flask_boiler.ground.lifecycle import OwnThread

__all__ = ["Reachability", "knock"]

_logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_TELL_AFTER_S = 0.6
_TELL_AGAIN_AFTER_S = 10.0
_LONGEST_BETWEEN_S = 60.0
#: Whoever ends gives up when Firestore has been silent for so long.
_SILENT_AT_THE_END_S = 2.0
_KNOCK_WITHIN_S = 0.3
#: What is kept back of the time that an end may take, for the threads to notice.
_NOTICE_WITHIN_S = 1.0

#: Codes that no Firestore has said: the call did not reach one, or its answer did not come.
_UNANSWERED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)


class Reachability:
    """The record of how the calls to one Firestore are answered, and the way to end them.

    :param where: for people: its address, and which database is meant.
    :param host: ``HOST:PORT`` of a local one, which may be knocked at; ``None`` for Google's.
    :param tell: told in words that Firestore is silent, still is, and answers again.
    :param look: how it is looked at whether somebody listens at ``host``.
    """

    def __init__(
        self,
        where: str,
        host: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] | None = None,
        look: Callable[[str], str | None] | None = None,
    ) -> None:
        self.where = where
        self.tell = tell or _logger.warning
        self._host = host
        self._clock = clock
        self._look = look or knock
        self._lock = threading.Lock()
        #: What is waited for: since when, and what cancels it.
        self._waits: dict[int, tuple[float, Callable[[], object]]] = {}
        self._numbers = 0
        self._answered_at = -math.inf
        #: Of the first call since the last answer that got none, and what it said.
        self._failing_since: float | None = None
        self._failed_at = -math.inf
        self._cause = ""
        self._stream_heard_at: float | None = None
        self._told_silence: float | None = None
        self._tell_next_at = 0.0
        self._pause_s = _TELL_AGAIN_AFTER_S
        self._given_up = threading.Event()
        self._ends_at: float | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    # What is known.

    @property
    def has_answered(self) -> bool:
        """Whether Firestore has answered anything so far."""
        return self._answered_at > -math.inf

    @property
    def silent_s(self) -> float:
        """The seconds since Firestore has not answered; 0 while it answers or is not asked."""
        with self._lock:
            since = self._silent_since()
            return 0.0 if since is None else max(0.0, self._clock() - since)

    @property
    def is_silent(self) -> bool:
        """Whether Firestore has been silent long enough to report it."""
        return self.silent_s >= _TELL_AFTER_S

    @property
    def stream_silent_s(self) -> float | None:
        """The seconds since the Listen stream said something; ``None`` if none is open."""
        heard_at = self._stream_heard_at
        return None if heard_at is None else max(0.0, self._clock() - heard_at)

    # What calls do.

    @contextmanager
    def waiting(self, cancel: Callable[[], object]) -> Iterator[None]:
        """In the block, count as waiting for an answer.

        :param cancel: has the block end soon, whatever it waits for.
        :raises UnavailableError: no answers are waited for any more.
        """
        number = self.begin(cancel)
        try:
            yield
        except grpc.RpcError as error:
            self.end(number, error)
            raise
        except BaseException:
            # Whoever waited goes away: that says nothing of Firestore.
            self._forget(number)
            raise
        else:
            self.end(number)

    def begin(self, cancel: Callable[[], object]) -> int:
        """Begin to wait; pass the result to ``end``.

        :raises UnavailableError: no answers are waited for any more.
        """
        with self._lock:
            self._require_patience()
            self._numbers += 1
            self._waits[self._numbers] = self._clock(), cancel
            self._watch()
            return self._numbers

    def end(self, number: int, error: Any = None) -> None:
        """End to wait, with an answer or with ``error``, which may be an answer, too."""
        with self._lock:
            self._waits.pop(number, None)
            if error is None or error.code() not in _UNANSWERED:
                self._answered_at = self._clock()
                self._failing_since = None
            elif not self._given_up.is_set() and error.code() is not grpc.StatusCode.CANCELLED:
                self._note_failure(error.details() or error.code().name)

    def failed(self, cause: str) -> None:
        """Note a call without an answer for which nobody was waiting."""
        with self._lock:
            if not self._given_up.is_set():
                self._note_failure(cause)
                self._watch()

    def heard(self) -> None:
        """Note that a Listen stream said something."""
        self._answered_at = self._stream_heard_at = self._clock()
        if self._failing_since is not None:
            with self._lock:
                self._failing_since = None

    def ended(self) -> None:
        """Note that the Listen stream has ended."""
        self._stream_heard_at = None

    def pause(self, seconds: float) -> None:
        """Wait before a call is repeated.

        :raises UnavailableError: no answers are waited for any more.
        """
        self._given_up.wait(seconds)
        with self._lock:
            self._require_patience()

    # The end.

    def give_up(self) -> None:
        """Cancel all calls, and allow no new ones until ``resume``."""
        with self._lock:
            self._given_up.set()
            waits = [cancel for _, cancel in self._waits.values()]
        for cancel in waits:
            cancel()

    def resume(self) -> None:
        """Allow calls again after ``give_up``."""
        with self._lock:
            self._given_up.clear()

    @contextmanager
    def ending(self, within_s: float) -> Iterator[None]:
        """In the block, finish what has begun, and give up when that is hopeless.

        That is when Firestore is silent, or the time is nearly over.

        :param within_s: how long the block may take.
        """
        with self._lock:
            self._ends_at = self._clock() + max(0.0, within_s - _NOTICE_WITHIN_S)
            self._watch()
        try:
            yield
        finally:
            with self._lock:
                self._ends_at = None
            self.resume()

    def close(self) -> None:
        """End the thread, if there is one."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # What is made of it, on the thread.

    def check(self) -> bool:
        """Report what is due, and give up if it is time; true if it has to look again."""
        with self._lock:
            now = self._clock()
            since = self._silent_since()
            hopeless = self._is_hopeless(now, since)
            said = self._words(now, since)
            again = bool(self._waits) or self._ends_at is not None or self._is_recent(now)
        if said is not None:
            self._say(*said)
        if hopeless:
            self.give_up()
        return again

    def _silent_since(self) -> float | None:
        since = [begun for begun, _ in self._waits.values()]
        oldest = max(min(since), self._answered_at) if since else math.inf
        failing = math.inf if self._failing_since is None else self._failing_since
        found = min(oldest, failing)
        return None if found == math.inf else found

    def _is_hopeless(self, now: float, since: float | None) -> bool:
        if self._ends_at is None or self._given_up.is_set():
            return False
        silent = since is not None and now - since >= _SILENT_AT_THE_END_S
        return silent or now >= self._ends_at

    def _is_recent(self, now: float) -> bool:
        """Whether something has happened that may have to be reported."""
        if self._told_silence is not None and self._failing_since is None:
            return True
        return now - max(self._failed_at, self._answered_at) < 2 * _TELL_AFTER_S

    def _words(self, now: float, since: float | None) -> tuple[str, float] | None:
        """The kind of report that is due, and the length of the silence."""
        if self._given_up.is_set():
            return None
        if since is None or (
            self._told_silence is not None and self._answered_at > self._told_silence
        ):
            told, self._told_silence = self._told_silence, None
            self._pause_s = _TELL_AGAIN_AFTER_S
            back = told is not None and self._answered_at > told
            return ("back", self._answered_at - (told or 0.0)) if back else None
        if now - since < _TELL_AFTER_S:
            return None
        if self._told_silence is None:
            self._told_silence = since
            self._tell_next_at = now + self._pause_s
            return "gone" if self.has_answered else "absent", now - since
        if now < self._tell_next_at or not (self._waits or self._failed_at > now - self._pause_s):
            return None
        self._pause_s = min(2 * self._pause_s, _LONGEST_BETWEEN_S)
        self._tell_next_at = now + self._pause_s
        return "still", now - since

    def _say(self, kind: str, silent_s: float) -> None:
        if kind == "back":
            self.tell(f"Firestore answers again at {self.where}, after {silent_s:.0f} s")
            return
        says = {
            "absent": "does not answer",
            "gone": "answers no more",
            "still": f"has not answered for {silent_s:.0f} s",
        }[kind]
        self.tell(f"Firestore {says} at {self.where}: {self._reason()}. Waiting for it")

    def _reason(self) -> str:
        seen = None if self._host is None else self._look(self._host)
        return seen or self._cause or "no answer has come yet"

    def _note_failure(self, cause: str) -> None:
        self._failed_at = self._clock()
        self._cause = " ".join(cause.split())
        if self._failing_since is None:
            self._failing_since = self._failed_at

    def _require_patience(self) -> None:
        if self._given_up.is_set():
            raise UnavailableError(
                f"the wait for Firestore at {self.where} was ended, because the process or "
                "mediator stops"
            )

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waits.pop(number, None)

    def _watch(self) -> None:
        if self._thread is None and not self._closed.is_set():
            self._thread = OwnThread(
                self._run,
                name="firestore-reachability",
                stops="nothing says any more that Firestore does not answer",
            )
            self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_EVERY_S):
            try:
                again = self.check()
            except BaseException:
                _logger.exception("what is known about Firestore could not be reported")
                again = True
            if not again:
                with self._lock:
                    if not self._waits and self._ends_at is None:
                        self._thread = None
                        return


def knock(host: str) -> str | None:
    """The reason why nobody answers at ``HOST:PORT``, found by connecting, without any request."""
    try:
        with socket.create_connection(socket_address(host), timeout=_KNOCK_WITHIN_S):
            return "what listens there takes connections but does not answer"
    except ConnectionRefusedError:
        return "nothing listens there (connection refused)"
    except TimeoutError:
        return "no connection could be made"
    # A port that is none is a ValueError, a name that is none a UnicodeError.
    except (OSError, ValueError) as error:
        return f"it cannot be reached ({error})"
