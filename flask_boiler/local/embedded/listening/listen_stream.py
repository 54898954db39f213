"""One Listen stream: what it says, and when.

All that it says between two markers holds at the time of the second, for all of its targets: what
is committed meanwhile is told between the following two. Several commits that wait to be told are
told as one.

What was just asked for is told a part at a time, with a marker after each, so that targets which
come and go without a pause hold up none of the others; one that is removed meanwhile is told no
further. A target is told as a whole, all the same: clients take a marker's token to be one of all
targets whose ADD they have got.

A client that takes its time is waited for. What is committed meanwhile is remembered up to a
bound; beyond it nothing is, and the storage is asked when the client is ready again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import grpc

from flask_boiler.local.embedded.listening import announcements
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.interests import Interests
from flask_boiler.local.embedded.listening.switchboard import Switchboard
from flask_boiler.local.embedded.listening.targets import (
    ServedTarget,
    target_of,
    tell_document,
    tell_target,
)
from flask_boiler.local.embedded.listening.token_issuer import TokenIssuer
from flask_boiler.local.embedded.storage.commit_feed import Change, coalesced
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.name_rules import check_world
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import Refusal, invalid
from flask_boiler.local.embedded.storage.storage import Storage

__all__ = ["ListenPolicy", "ListenStream"]

#: Of a client that asks for more while it is being told.
_MOST_REQUESTS = 1_000
_MOST_STEPS = 10_000
_MOST_BYTES = 64 * 1024 * 1024


class ListenPolicy(NamedTuple):
    """The rules by which Listen streams are served.

    :param heartbeat_s: a stream that has nothing to say sends a marker so often.
    :param remember_s: a client that resumes within this time is told which documents left its
        targets; later it is sent an existence filter instead, if it has told what it expects.
    :param most_changes: how many changes are remembered for a client that is slow.
    :param most_bytes: how large they may be together.
    :param messages_a_marker: there is one after so many messages about new targets, though each is
        told as a whole.
    :param most_streams: how many Listen and Write streams a server carries; who opens one more is
        refused.
    :param stuck_s: a client that takes nothing of what it is told for so long is cut off.
    """

    heartbeat_s: float = 30.0
    remember_s: float = 10.0
    most_changes: int = 10_000
    most_bytes: int = 16 * 1024 * 1024
    messages_a_marker: int = 1_000
    most_streams: int = 5_000
    stuck_s: float = 300.0


class _Past(NamedTuple):
    """The changes since a past time, and the state of that time."""

    then: Reading
    changes: dict[str, Change]


class ListenStream:
    """A Listen stream: takes ``ListenRequest`` messages, gives serialized ``ListenResponse``.

    It needs no thread of its own: whoever serves it has it :meth:`speak`, one turn at a time, when
    it was woken, and :meth:`leave` in the end. All else may be called by any thread, at any time.
    """

    def __init__(
        self,
        storage: Storage,
        switchboard: Switchboard,
        tokens: TokenIssuer,
        faults: Faults,
        policy: ListenPolicy,
    ) -> None:
        self._storage = storage
        self._switchboard = switchboard
        self._tokens = tokens
        self._faults = faults
        self._policy = policy
        self._lock = threading.Lock()
        self._wake: Callable[[], None] = lambda: None
        self._requests: deque[Any] = deque()
        self._requests_bytes = 0
        #: Ids of targets whose removal was heard, and is still to be carried out.
        self._unwanted: set[int] = set()
        self._orders: deque[str] = deque()
        self._changes: list[Change] = []
        self._bytes = 0
        self._decided = 0
        #: More was committed than is remembered.
        self._is_behind = False
        self._has_heard_all = False
        self._is_closed = False
        self._ending: Refusal | None = None
        # Whose turn it is to speak.
        self._is_registered = False
        self._world = ""
        self._position = 0
        self._next_id = 1
        self._served: dict[int, ServedTarget] = {}
        #: What was asked for and is still to be done.
        self._steps: deque[ServedTarget | int | bytes] = deque()
        #: How large the requests were that they are of, as long as there is one left.
        self._steps_bytes = 0
        #: Targets that are asked for and not served yet.
        self._prepared: dict[ServedTarget, None] = {}
        self._interests: Interests[ServedTarget] = Interests()

    # By any thread.

    def attend(self, wake: Callable[[], None]) -> None:
        """Call this from now on when there may be something to say; it must return at once."""
        self._wake = wake

    @property
    def has_room(self) -> bool:
        """Whether it wants to hear more before it has dealt with what it has heard."""
        _, size = self.waiting
        has_room = len(self._requests) < _MOST_REQUESTS and len(self._steps) < _MOST_STEPS
        return has_room and size < _MOST_BYTES

    @property
    def waiting(self) -> tuple[int, int]:
        """The requests that are heard and not dealt with yet: their number, and their bytes."""
        return len(self._requests) + len(self._steps), self._requests_bytes + self._steps_bytes

    def hear(self, request: Any) -> None:
        """Take a message of the client."""
        with self._lock:
            self._requests.append(request)
            self._requests_bytes += request.ByteSize()
            if request.remove_target:
                self._unwanted.add(request.remove_target)
        self._wake()

    def hear_all(self) -> None:
        """Note that the client will say nothing more: it is told only what it has asked for.

        So it ends a stream in good order; one that stayed open would never be let go.
        """
        with self._lock:
            self._has_heard_all = True
        self._wake()

    def notice(self, decided: int, changes: Sequence[Change]) -> None:
        """Commits concern this stream; see ``switchboard.CommitListener``."""
        with self._lock:
            self._decided = decided
            if not self._is_behind:
                self._changes.extend(changes)
                self._bytes += sum(_size(change) for change in changes)
                if (
                    len(self._changes) > self._policy.most_changes
                    or self._bytes > self._policy.most_bytes
                ):
                    self._is_behind = True
                    self._changes, self._bytes = [], 0
        self._wake()

    def order(self, order: str) -> None:
        """Have it do something; see ``faults.Faulty``."""
        with self._lock:
            self._orders.append(order)
        self._wake()

    def beat(self) -> None:
        """Have it say a marker, so that the client knows that it is there."""
        self.order("beat")

    def awake(self) -> None:
        """Have it look whether it may speak again."""
        self._wake()

    def end(self, code: grpc.StatusCode | None, details: str = "") -> None:
        """End the stream, with a code or (``None``) without an error."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._ending = None if code is None else Refusal(code, details)
        self._wake()

    def hang_up(self) -> None:
        """The client is gone."""
        self.end(None)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and nothing more is to be said."""
        return self._is_closed

    # A turn at a time.

    def speak(self) -> Iterator[bytes]:
        """The messages that are due now, serialized, if any; never waits for the client.

        :raises Refusal: the stream ends with a code.
        """
        self._register()
        while not self._is_closed and self._has_news():
            self._faults.wait("Listen")
            yield from self._say()
        self._end_if_all_is_said()
        if self._ending is not None:
            raise self._ending

    def leave(self) -> None:
        """The stream is over, however it ended: it wants to hear of nothing any more."""
        self._faults.unregister(self)
        for served in list(self._served.values()):
            self._forget(served)
        for served in list(self._prepared):
            self._drop(served)

    def _register(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            self._faults.register(self)

    def _end_if_all_is_said(self) -> None:
        with self._lock:
            is_silent = self._faults.is_stalled or self._faults.dumb
            if self._has_heard_all and not is_silent and not self._may_speak():
                self._is_closed = True

    def _has_news(self) -> bool:
        with self._lock:
            return self._may_speak()

    def _may_speak(self) -> bool:
        if self._is_closed:
            return True
        if self._faults.is_stalled:
            return False
        has_news = self._changes or self._is_behind or self._orders
        return bool(has_news or self._requests or self._steps)

    def _say(self) -> Iterator[bytes]:
        """The messages that are due, up to a marker."""
        if self._faults.is_stalled:
            return
        with self._lock:
            requests, self._requests = self._requests, deque()
            self._steps_bytes += self._requests_bytes
            self._requests_bytes = 0
            orders, self._orders = self._orders, deque()
        if self._faults.dumb:
            self._take(0)
            return
        # Whom to tell is known before the time is taken: nothing falls between.
        for request in requests:
            step = self._prepare(request)
            if step is not None:
                self._steps.append(step)
        until, changes = self._take(self._storage.read_time())
        yield from self._advance(changes, until)
        self._position = until
        yield from self._carry_out(until)
        if not self._steps:
            self._steps_bytes = 0
        for order in orders:
            yield from self._follow(order, until)
        if self._world:
            yield announcements.marker(self._token(until), until)
        yield from self._end_those_for_once()

    def _take(self, read_time: int) -> tuple[int, list[Change]]:
        """A time, and all changes of interest since the last one up to it, one a document."""
        with self._lock:
            # Everything up to the one was told before it could be read, and the other says so.
            until = max(read_time, self._decided, self._position)
            changes, self._changes, self._bytes = self._changes, [], 0
            was_behind, self._is_behind = self._is_behind, False
        if was_behind:
            return until, self._missed(until)
        return until, coalesced(changes)

    def _missed(self, until: int) -> list[Change]:
        if self._storage.is_expired(self._position):
            raise Refusal(
                grpc.StatusCode.ABORTED,
                "the client was so slow that what it has missed is no longer known; listen anew",
            )
        with self._storage.reading(until) as reading:
            return reading.changes_since(self._world, reading.at(self._position))

    def _token(self, time: int) -> bytes:
        return self._tokens.issue(self._world, time)

    def _reading(self, time: int) -> Callable[[], AbstractContextManager[Reading]]:
        return lambda: self._storage.reading(time)

    # What the client asks for.

    def _prepare(self, request: Any) -> ServedTarget | int | bytes | None:
        """A new target, which it is made sure to be told of; the id of one to remove; a refusal.

        :raises Refusal: the stream ends.
        """
        self._check_world(request.database)
        match request.WhichOneof("target_change"):
            case "remove_target":
                return int(request.remove_target)
            case "add_target":
                return self._prepare_target(request.add_target)
        return None

    def _check_world(self, world: str) -> None:
        if not self._world:
            self._world = check_world(world)
            self._position = self._storage.read_time()
        elif world and world != self._world:
            raise invalid(f'The stream is of the database "{self._world}", and not "{world}".')

    def _prepare_target(self, addition: Any) -> ServedTarget | bytes:
        target_id = addition.target_id or self._next_id
        self._next_id = max(self._next_id, target_id + 1)
        if target_id < 0:
            raise invalid(f"The target id {target_id} is negative.")
        try:
            target = target_of(self._world, addition)
        except Refusal as error:
            return announcements.removed(target_id, error)
        refusal = self._faults.rejection(target.known_as)
        if refusal is not None:
            return announcements.removed(target_id, refusal)
        served = ServedTarget(target_id, target, addition)
        self._prepared[served] = None
        self._switchboard.add(self._world, target.interests, self)
        return served

    def _carry_out(self, until: int) -> Iterator[bytes]:
        """A part of what was asked for, in its order."""
        self._drop_unwanted()
        said = 0
        while self._steps and said < self._policy.messages_a_marker:
            batch: dict[int, ServedTarget] = {}
            # Those that were asked for together are read together.
            while (
                self._steps
                and isinstance(step := self._steps[0], ServedTarget)
                and self._is_new(step, batch)
            ):
                batch[step.target_id] = step
                self._steps.popleft()
            if batch:
                for message in self._add_all(deque(batch.values()), until):
                    said += 1
                    yield message
            elif self._steps:
                yield from self._carry_out_one(self._steps.popleft())

    def _drop_unwanted(self) -> None:
        """Leave out targets whose removal follows: nobody wants to be told of them."""
        if not self._unwanted:
            return
        kept: list[ServedTarget | int | bytes] = []
        removed: set[int] = set()
        for step in reversed(self._steps):
            if isinstance(step, ServedTarget) and self._is_in_vain(step, removed):
                removed.discard(step.target_id)
                self._drop(step)
                continue
            if isinstance(step, int):
                removed.add(step)
            kept.append(step)
        self._steps = deque(reversed(kept))

    def _is_in_vain(self, served: ServedTarget, removed: set[int]) -> bool:
        return served.target_id in removed and served.target_id not in self._served

    def _is_new(self, served: ServedTarget, batch: dict[int, ServedTarget]) -> bool:
        return served.target_id not in self._served and served.target_id not in batch

    def _carry_out_one(self, step: ServedTarget | int | bytes) -> Iterator[bytes]:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, int):
            self._unwanted.discard(step)
            if step in self._served:
                self._forget(self._served[step])
            yield announcements.removed(step)
        else:
            raise invalid(f"The target id {step.target_id} is in use.")

    def _drop(self, served: ServedTarget) -> None:
        del self._prepared[served]
        self._switchboard.remove(self._world, served.target.interests, self)

    def _forget(self, served: ServedTarget) -> None:
        del self._served[served.target_id]
        self._interests.remove(served.target.interests, served)
        self._switchboard.remove(self._world, served.target.interests, self)

    # Catching up.

    def _add_all(self, batch: deque[ServedTarget], until: int) -> Iterator[bytes]:
        """Tell new targets; those that would be too many are put back."""
        answers: list[tuple[ServedTarget, list[bytes]]] = []
        size = 0
        with self._storage.reading(until) as reading:
            pasts: dict[int, _Past] = {}
            while batch and size < self._policy.messages_a_marker:
                served = batch.popleft()
                del self._prepared[served]
                self._served[served.target_id] = served
                self._interests.add(served.target.interests, served)
                answer = self._caught_up(served, reading, pasts)
                answers.append((served, answer))
                size += len(answer)
        self._steps.extendleft(reversed(batch))
        # Said when nothing is read any more: the client may take its time.
        for served, answer in answers:
            yield announcements.added(served.target_id)
            for message in answer:
                if served.target_id in self._unwanted:
                    break
                yield message
            else:
                yield announcements.current(served.target_id, self._token(until), until)

    def _caught_up(
        self, served: ServedTarget, reading: Reading, pasts: dict[int, _Past]
    ) -> list[bytes]:
        since = self._resumed_from(served)
        if since is None:
            is_reset = bool(served.token) or served.read_time is not None
            begin = [announcements.reset(served.target_id)] if is_reset else []
            return begin + self._whole(served, reading)
        if since not in pasts:
            then = reading.at(since)
            changes = reading.changes_since(self._world, then)
            pasts[since] = _Past(then, {change.name: change for change in changes})
        return self._resumed(served, reading, pasts[since])

    def _resumed_from(self, served: ServedTarget) -> int | None:
        if served.token:
            return self._tokens.time(self._world, served.token)
        if served.read_time is not None and self._tokens.counts(served.read_time):
            return served.read_time
        return None

    def _whole(self, served: ServedTarget, reading: Reading) -> list[bytes]:
        news = served.target.start(reading)
        missing = {name for name, document in news.items() if document is None}
        return list(tell_target(served, news, missing, reading.time))

    def _resumed(self, served: ServedTarget, reading: Reading, past: _Past) -> list[bytes]:
        target = served.target
        news, entered = target.resume(past.changes, past.then, reading)
        gone = {name for name, change in past.changes.items() if change.after is None}
        if served.expected is None:
            return list(tell_target(served, news, gone, reading.time))
        age = reading.time - past.then.time
        if age > self._policy.remember_s * 1_000_000:
            news = {name: document for name, document in news.items() if document is not None}
        said = list(tell_target(served, news, gone, reading.time))
        count = target.count(reading)
        left = sum(document is None for document in news.values())
        if served.expected + entered - left != count:
            said.append(
                announcements.existence_filter(served.target_id, count, target.names(reading))
            )
        return said

    # What happened.

    def _advance(self, changes: Sequence[Change], until: int) -> Iterator[bytes]:
        """Tell all targets, with as few messages as there can be."""
        told: dict[str, list[tuple[ServedTarget, StoredDocument | None]]] = {}
        for served, concerning in self._interests.concerned(changes).items():
            news = served.target.advance(concerning, self._reading(until))
            for name, document in news.items():
                told.setdefault(name, []).append((served, document))
        gone = {change.name for change in changes if change.after is None}
        for name, concerned in told.items():
            yield from tell_document(name, concerned, until, exists=name not in gone)

    def _end_those_for_once(self) -> Iterator[bytes]:
        for served in [served for served in self._served.values() if served.once]:
            self._forget(served)
            yield announcements.removed(served.target_id)

    # What a test wants.

    def _follow(self, order: str, until: int) -> Iterator[bytes]:
        served = list(self._served.values())
        queries = [one for one in served if one.target.is_query]
        match order:
            case "reset":
                for one in queries:
                    yield announcements.reset(one.target_id)
                    with self._storage.reading(until) as reading:
                        said = self._whole(one, reading)
                    yield from said
                    yield announcements.current(one.target_id, self._token(until), until)
            case "miscount":
                for one in queries:
                    with self._storage.reading(until) as reading:
                        count = one.target.count(reading)
                    yield announcements.existence_filter(one.target_id, count + 1)
            case "recheck":
                for one in served:
                    refusal = self._faults.rejection(one.target.known_as)
                    if refusal is not None:
                        self._forget(one)
                        yield announcements.removed(one.target_id, refusal)


def _size(change: Change) -> int:
    return sum(len(document.data) for document in (change.before, change.after) if document)
