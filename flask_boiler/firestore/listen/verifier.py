"""The search for targets that went wrong while they were added; for Google's emulator only.

A commit that races the adding of a target may be missed there: the target becomes current
with the old value and stays silent. So what is stored is read once after a target became
current, and compared. What differs may just be under way, so it is compared again a little
later: what has not moved since was missed.

However large a result is, it is read in pages; between them others have their turn, and what has
been read is kept when the server is away for a while.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

from flask_boiler.errors import BoilerError, UnavailableError
from flask_boiler.firestore.listen.comparison import (
    Comparison,
    Documents,
    Result,
    Suspects,
    UpdateTimes,
    missed,
)
from flask_boiler.firestore.listen.stream import Connection
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.ground.values import QueryTarget, Target

__all__ = ["Verifier"]

_logger = logging.getLogger(__name__)

_COMPARING = ("comparing",)
#: Targets that catch up together are compared together.
_COMPARE_AFTER_S = 0.02
_COMPARE_AGAIN_AFTER_S = 1.0
#: What is under way when it is compared has arrived by then.
_DOUBT_FOR_S = 0.3
#: If the server is gone, the stream will notice, and all targets are verified when it is back.
_PATIENCE_S = 2.0
#: In documents. Google's emulator looks through a whole collection for each of them: half a
#: second for 50,000 documents.
_PAGE_SIZE = 5_000
_DOCUMENTS_TOGETHER = 1_000
#: Comparing goes on for so long, then rests as long as it took: neither a core nor the thread
#: that it shares is taken up by it.
_TURN_S = 0.2


class Listeners(Protocol):
    """The part of the hub that the verifier uses; all of it is called with the lock held."""

    def is_listened_to(self, target: Target) -> bool:
        """Whether anybody still listens to the target."""
        ...

    def known_update_times(self, target: Target) -> UpdateTimes | None:
        """The update times of a target's documents; ``None`` if it has not caught up."""
        ...

    def listen_again(self, target: Target) -> None:
        """Listen to the target again, because what is known about it is wrong."""
        ...

    def do_later(self, name: object, after_s: float, task: Callable[[], None]) -> None:
        """Do this on the timekeeper's thread, without the lock."""
        ...


class Verifier:
    """A comparison of targets that have caught up with what is stored, a little later.

    Its methods are called with the lock held; its own work takes the lock when it needs it.
    """

    def __init__(
        self,
        connection: Connection,
        listeners: Listeners,
        lock: threading.Lock,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._listeners = listeners
        self._lock = lock
        self._clock = clock
        self._waiting: dict[Target, None] = {}
        #: Those that are begun, and keep what they have read.
        self._comparisons: deque[Comparison] = deque()
        # Suspects that are to be looked at again.
        self._doubts = 0
        # Those that are listened to again because they went wrong, until they have caught up.
        self._missed: set[Target] = set()

    @property
    def doubtful(self) -> bool:
        """Whether any target is still to be compared or corrected."""
        return bool(self._waiting or self._comparisons or self._doubts or self._missed)

    def note_caught_up(self, targets: Sequence[Target]) -> None:
        """Plan to compare these targets soon, because they have caught up."""
        self._missed.difference_update(targets)
        if not self._waiting and not self._comparisons:
            self._compare_after(_COMPARE_AFTER_S)
        self._waiting.update(dict.fromkeys(targets))

    def forget(self, targets: Collection[Target]) -> None:
        """Do not compare these targets, because nobody needs them any more."""
        self._missed.difference_update(targets)

    def _compare_after(self, after_s: float) -> None:
        self._listeners.do_later(_COMPARING, after_s, self._compare)

    def _compare(self) -> None:
        """Compare for a while, and plan the rest for after a pause."""
        began_s = self._clock()
        pause_s = _COMPARE_AGAIN_AFTER_S
        try:
            while (comparison := self._next()) is not None:
                if not self._read_part(comparison):
                    return
                if self._clock() - began_s >= _TURN_S:
                    break
            pause_s = self._clock() - began_s
        finally:
            with self._lock:
                if self._comparisons or self._waiting:
                    self._compare_after(pause_s)

    def _next(self) -> Comparison | None:
        """The next comparison of which a part has to be read."""
        with self._lock:
            self._begin_those_that_wait()
            while self._comparisons:
                comparison = self._comparisons[0]
                if any(map(self._listeners.is_listened_to, comparison.targets)):
                    return comparison
                self._comparisons.popleft()
            return None

    def _begin_those_that_wait(self) -> None:
        targets = [t for t in self._waiting if self._listeners.is_listened_to(t)]
        self._waiting.clear()
        # What was read of a target that was listened to again meanwhile is of no use.
        again = set(targets)
        self._comparisons = deque(
            comparison
            for comparison in self._comparisons
            if len(comparison.targets) > 1 or comparison.targets[0] not in again
        )
        paths = iter([target for target in targets if isinstance(target, str)])
        made: list[Comparison] = []
        while together := list(islice(paths, _DOCUMENTS_TOGETHER)):
            made.append(Documents(together))
        made.extend(Result(t, _PAGE_SIZE) for t in targets if isinstance(t, QueryTarget))
        for comparison in made:
            comparison.begin(self._listeners.known_update_times)
        self._comparisons.extend(made)

    def _read_part(self, comparison: Comparison) -> bool:
        """Read a part, and after the last one look at what differs; true if there was an answer."""
        is_over = True
        is_read = False
        try:
            with waiting_at_most(_PATIENCE_S):
                is_over = is_read = comparison.read(self._connection)
        except UnavailableError as error:
            _logger.info("%d targets will be verified later: %s", len(comparison.targets), error)
            is_over = False
            return False
        except BoilerError:
            _logger.warning("%d targets cannot be verified", len(comparison.targets), exc_info=True)
        finally:
            with self._lock:
                if is_over and self._comparisons and self._comparisons[0] is comparison:
                    self._comparisons.popleft()
                if is_read:
                    self._suspect(comparison.suspects(self._listeners.known_update_times))
        return True

    def _suspect(self, suspects: Suspects) -> None:
        if suspects:
            self._doubts += 1
            again = partial(self._compare_again, suspects)
            self._listeners.do_later(object(), _DOUBT_FOR_S, again)

    def _compare_again(self, suspects: Suspects) -> None:
        with self._lock:
            self._doubts -= 1
            for target in missed(suspects, self._listeners.known_update_times):
                self._missed.add(target)
                self._listeners.listen_again(target)
