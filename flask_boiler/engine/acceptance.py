"""The acceptance of commits: whether Firestore takes any at all, and since when it does not.

A refusal says nothing of the view that meets it while everybody is refused: credentials were
exchanged, a role takes its time to arrive, a quota is used up. Then it is waited for, with growing
pauses, by asking with a commit that changes nothing.
"""

from __future__ import annotations

import datetime
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask_boiler.errors import AuthError, BoilerError, ConflictError, UnauthenticatedError
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import Write

__all__ = ["Acceptance", "Hindrance", "commit_probe", "takes_commits"]

logger = logging.getLogger(__name__)

_PROBE = "_boiler_clock/probe"
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
#: Before somebody is tried again who is refused alone.
_FIRST_PAUSE_ALONE_S = 60.0
_LONGEST_PAUSE_ALONE_S = 900.0
#: Of who asks; whoever computes or publishes waits for the answer.
_ANSWER_WITHIN_S = 5.0
#: A token that is not known is no better for being fetched again at once.
_RENEW_EVERY_S = 15.0
#: A role that was given takes up to seven minutes to arrive.
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Hindrance:
    """The reason why Firestore takes no commit.

    :param since: by this machine's clock.
    """

    error: BoilerError
    since: datetime.datetime

    def __str__(self) -> str:
        return f"Firestore refuses all commits since {self.since:%H:%M:%S} UTC: {self.error}"


class Acceptance:
    """The knowledge whether Firestore takes commits; for any thread.

    :param clock: by which it is measured how long it lasts, in seconds.
    :ivar patience_s: how long those who are not known, or have no permission, wait before their
        views are parked. They are tried again all the same when commits are taken again.
    :ivar first_pause_s: before it is asked again; each pause is twice as long as the last.
    :ivar pause_alone_s: before those are tried again who are refused alone; likewise.
    """

    def __init__(self, datastore: Datastore, clock: Callable[[], float] = time.monotonic) -> None:
        self._datastore = datastore
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s = 0.0
        self._ask_at_s = math.inf
        self._pause_s = 0.0
        self._renew_at_s = -math.inf
        self.patience_s = _PATIENCE_S
        self.first_pause_s = _FIRST_PAUSE_S
        self.pause_alone_s = _FIRST_PAUSE_ALONE_S
        #: Why no commit is taken, if none is.
        self.hindrance: Hindrance | None = None
        #: Called when there is something to ask later.
        self.on_refused: Callable[[], object] = lambda: None
        #: Called when it is over, and when it is time to try those again who are refused alone.
        self.on_taken: Callable[[], object] = lambda: None
        #: Called when it has lasted for longer than there is patience, and again and again.
        self.on_lasting: Callable[[BoilerError], object] = lambda error: None

    @property
    def hindered_s(self) -> float:
        """The seconds since Firestore takes no commits; 0 while it takes them."""
        with self._lock:
            return 0.0 if self.hindrance is None else self._clock() - self._since_s

    @property
    def lasts(self) -> bool:
        """Whether commits have been refused for longer than ``patience_s``."""
        hindrance = self.hindrance
        refused = hindrance is not None and isinstance(hindrance.error, AuthError)
        return refused and self.hindered_s >= self.patience_s

    def refused(self, error: BoilerError) -> None:
        """Note that Firestore refuses every commit, whoever makes it."""
        with self._lock:
            begins = self.hindrance is None
            if begins:
                self._since_s = self._clock()
                self._pause_s = self.first_pause_s
                self._ask_at_s = self._since_s + self._pause_s
            since = datetime.datetime.now(datetime.UTC) if begins else self._hindrance().since
            self.hindrance = Hindrance(error, since)
        if isinstance(error, UnauthenticatedError):
            self._renew_credentials()
        if begins:
            logger.warning("Firestore refuses all commits, and is tried again: %s", error)
            self.on_refused()

    def taken(self) -> None:
        """Note that Firestore has taken a commit."""
        if self.hindrance is None:
            return
        lasted_s = self.hindered_s
        with self._lock:
            is_over = self.hindrance is not None
            self.hindrance, self._ask_at_s = None, math.inf
            self.pause_alone_s = _FIRST_PAUSE_ALONE_S
        if is_over:
            logger.warning("Firestore takes commits again, after %.0f s", lasted_s)
            self.on_taken()

    def refused_alone(self) -> None:
        """Note that one commit was refused while others are taken; it is tried again in a while."""
        with self._lock:
            if self._ask_at_s < math.inf:
                return
            self._ask_at_s = self._clock() + self.pause_alone_s
            self.pause_alone_s = min(2 * self.pause_alone_s, _LONGEST_PAUSE_ALONE_S)
        self.on_refused()

    def is_refused_to_all(self) -> bool:
        """Whether Firestore refuses every commit; asks it."""
        try:
            with waiting_at_most(_ANSWER_WITHIN_S):
                commit_probe(self._datastore)
        except ConflictError:
            # Somebody else asked at the same time: that is an answer.
            pass
        except BoilerError as error:
            self.refused(error)
            return True
        self.taken()
        return False

    def time_to_ask_s(self) -> float:
        """The seconds until Firestore is asked again; infinite while commits are taken."""
        with self._lock:
            return max(0.0, self._ask_at_s - self._clock())

    def ask_if_due(self) -> None:
        """Ask Firestore again, if it is time to."""
        if self.time_to_ask_s() > 0:
            return
        with self._lock:
            was_alone, self._ask_at_s = self.hindrance is None, math.inf
        if not self.is_refused_to_all():
            if was_alone:
                self.on_taken()
            return
        with self._lock:
            self._ask_at_s = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            hindrance = self.hindrance
        if self.lasts and hindrance is not None:
            self.on_lasting(hindrance.error)

    def _renew_credentials(self) -> None:
        with self._lock:
            now = self._clock()
            if now < self._renew_at_s:
                return
            self._renew_at_s = now + _RENEW_EVERY_S
        try:
            self._datastore.refresh_credentials()
        except BaseException:
            # They may be of a class of the application's. It is refused again, and tried again.
            logger.exception("could not get new credentials for Firestore")

    def _hindrance(self) -> Hindrance:
        assert self.hindrance is not None
        return self.hindrance


def commit_probe(datastore: Datastore) -> None:
    """Commit something that changes nothing.

    :raises UnavailableError: Firestore takes no commit at present.
    """
    datastore.commit([Write("delete", _PROBE)])


def takes_commits(datastore: Datastore) -> bool:
    """Whether Firestore takes a commit at all, whatever else it refuses."""
    try:
        commit_probe(datastore)
    except ConflictError:
        # Somebody else asked at the same time: that is an answer.
        return True
    except BoilerError:
        return False
    return True
