"""Finds targets that went wrong while they were added; for Google's emulator only.

A commit that races the adding of a target may be missed there: the target becomes current
with the old value and stays silent. So what is stored is read once after a target became
current, and compared. What differs may just be under way, so it is compared again a little
later: what has not moved since was missed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from flask_boiler.errors import BoilerError, UnavailableError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.listen.stream import Connection
from flask_boiler.values import QueryTarget, Target

__all__ = ["Verifier"]

_logger = logging.getLogger(__name__)

#: For each target, the update times of its documents; one that is missing is not there.
UpdateTimes: TypeAlias = dict[Target, dict[str, int]]
#: For each target, documents that are stored otherwise, and the update times they are known by.
Suspects: TypeAlias = dict[Target, dict[str, int | None]]
Known: TypeAlias = Callable[[Target], Mapping[str, int] | None]

_NAME = "__name__"
_COMPARING = ("comparing",)
#: Targets that catch up together are compared together.
_COMPARE_AFTER_S = 0.02
_COMPARE_AGAIN_AFTER_S = 1.0
#: What is under way when it is compared has arrived by then.
_DOUBT_FOR_S = 0.3
#: If the server is gone, the stream will notice, and all targets are verified when it is back.
_PATIENCE_S = 2.0


class Listeners(Protocol):
    """What the verifier needs of the hub; all of it is called with the lock held."""

    def is_listened_to(self, target: Target) -> bool:
        """Whether anybody still cares."""
        ...

    def known_update_times(self, target: Target) -> Mapping[str, int] | None:
        """The update times of a target's documents; ``None`` if it has not caught up."""
        ...

    def listen_again(self, target: Target) -> None:
        """What is known of the target is wrong."""
        ...

    def do_later(self, name: object, after_s: float, task: Callable[[], None]) -> None:
        """Do this on the timekeeper's thread, without the lock."""
        ...


class Verifier:
    """Compares targets that have caught up with what is stored, a little later.

    Its methods are called with the lock held; its own work takes the lock when it needs it.
    """

    def __init__(self, connection: Connection, listeners: Listeners, lock: threading.Lock) -> None:
        self._connection = connection
        self._listeners = listeners
        self._lock = lock
        self._waiting: dict[Target, None] = {}
        # Comparisons under way, and suspects that are to be looked at again.
        self._doubts = 0
        # Those that are listened to again because they went wrong, until they have caught up.
        self._missed: set[Target] = set()

    @property
    def doubtful(self) -> bool:
        """Whether any target is still to be compared, or to be mended."""
        return bool(self._waiting or self._doubts or self._missed)

    def note_caught_up(self, targets: Sequence[Target]) -> None:
        """These targets have caught up: compare them soon."""
        self._compare_later(targets, _COMPARE_AFTER_S)

    def forget(self, targets: Collection[Target]) -> None:
        """Nobody waits for these targets any more."""
        self._missed.difference_update(targets)

    def _compare_later(self, targets: Sequence[Target], after_s: float) -> None:
        self._missed.difference_update(targets)
        if not self._waiting:
            self._listeners.do_later(_COMPARING, after_s, self._compare)
        self._waiting.update(dict.fromkeys(targets))

    def _compare(self) -> None:
        with self._lock:
            targets = [t for t in self._waiting if self._listeners.is_listened_to(t)]
            self._waiting.clear()
            self._doubts += 1
        suspects: Suspects = {}
        try:
            suspects = self._suspects(targets)
        finally:
            with self._lock:
                if suspects:
                    again = partial(self._compare_again, suspects)
                    self._listeners.do_later(object(), _DOUBT_FOR_S, again)
                else:
                    self._doubts -= 1

    def _suspects(self, targets: Sequence[Target]) -> Suspects:
        try:
            with waiting_at_most(_PATIENCE_S):
                stored = _stored_update_times(self._connection, targets)
        except UnavailableError as error:
            _logger.info("%d targets are verified later: %s", len(targets), error)
            with self._lock:
                self._compare_later(targets, _COMPARE_AGAIN_AFTER_S)
            return {}
        except BoilerError:
            _logger.warning("%d targets cannot be verified", len(targets), exc_info=True)
            return {}
        with self._lock:
            return _deviating(stored, self._listeners.known_update_times)

    def _compare_again(self, suspects: Suspects) -> None:
        with self._lock:
            self._doubts -= 1
            for target in _missed(suspects, self._listeners.known_update_times):
                self._missed.add(target)
                self._listeners.listen_again(target)


def _stored_update_times(connection: Connection, targets: Iterable[Target]) -> UpdateTimes:
    """What the database has now for each target."""
    found: UpdateTimes = {}
    paths = []
    for target in targets:
        if isinstance(target, QueryTarget):
            found[target] = {
                snapshot.path: snapshot.update_time_ns
                for snapshot in connection.run_query(_names_only(target))
            }
        else:
            paths.append(target)
    documents = connection.get(paths, mask=(_NAME,)) if paths else {}
    for path, snapshot in documents.items():
        found[path] = {path: snapshot.update_time_ns} if snapshot.exists else {}
    return found


def _deviating(stored: UpdateTimes, known: Known) -> Suspects:
    """The documents that are stored otherwise than they are known, and how they are known.

    :param known: the known update times of a target's documents, or ``None`` if it is not
        current, which is no contradiction.
    """
    found: Suspects = {}
    for target, expected in stored.items():
        actual = known(target)
        if actual is None:
            continue
        paths = [path for path, time_ns in expected.items() if actual.get(path, 0) < time_ns]
        paths.extend(actual.keys() - expected.keys())
        if paths:
            found[target] = {path: actual.get(path) for path in paths}
    return found


def _missed(suspects: Suspects, known: Known) -> list[Target]:
    """The targets of which some suspect is still known as it was."""
    found = []
    for target, before in suspects.items():
        now = known(target)
        if now is not None and any(now.get(path) == before[path] for path in before):
            found.append(target)
    return found


def _names_only(target: QueryTarget) -> QueryTarget:
    query = protocol.StructuredQuery.FromString(target.structured)
    query.select.Clear()
    query.select.fields.add(field_path=_NAME)
    return QueryTarget(target.parent, query.SerializeToString())
