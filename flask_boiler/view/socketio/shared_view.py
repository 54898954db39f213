"""One live view that any number of clients share: it is computed once, and told to their rooms."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.sink import Computed, PublishOutcome, SubmittedView, WithoutPlaces
from flask_boiler.errors import BoilerError, DocumentNotFoundError, UnavailableError
from flask_boiler.ground.callbacks import as_exception, is_failure
from flask_boiler.ground.json_text import canonical_json
from flask_boiler.ground.readers import reading_through
from flask_boiler.view.mediation.keeping.notices import is_published
from flask_boiler.view.mediation.representation import Representation
from flask_boiler.view.socketio.history import History, State
from flask_boiler.view.socketio.options import SubscriptionOptions, Updates, WsLimits
from flask_boiler.view.socketio.rooms import Member, Message, Room
from flask_boiler.viewmodels.view_model import ViewModel, overrides_notify

__all__ = ["Post", "SharedView"]

logger = logging.getLogger(__name__)

#: How long until a client that was not ready is looked at again.
_LOOK_AGAIN_S = 0.05

#: How long until what could not be sent is tried again: twice as long each time, up to the most.
_RETRY_S = 0.05
_LONGEST_RETRY_S = 5.0


#: The payload of a shared view: its value as JSON, or why it has none: its root is not there, or
#: its ``notify`` has published none yet.
Shown: TypeAlias = dict[str, Any] | DocumentNotFoundError | UnavailableError


class Post(Protocol):
    """The way in which messages reach clients; none of its methods blocks."""

    def update(self, message: Message, sids: list[str]) -> None:
        """Send an update to some clients, encoded once."""
        ...

    def warn(self, error: BoilerError, subscription_id: str, sids: list[str]) -> None:
        """Tell some clients that their view has no value now."""
        ...

    def is_ready(self, sid: str) -> bool:
        """Whether a client reads what it is sent."""
        ...


class SharedView(WithoutPlaces):
    """A view that is computed once for all who may see it.

    It is the sink of its own computation: what the engine submits is put in a box, and the
    notifier's thread takes it out and tells the rooms.

    :param build: makes the view, read through what is in force.
    :param wake: has :meth:`deliver` called soon.
    """

    def __init__(
        self,
        context: ApplicationContext,
        build: Callable[[], ViewModel],
        limits: WsLimits,
        post: Post,
        wake: Callable[[], None],
    ) -> None:
        self._context = context
        self._build = build
        self._limits = limits
        self._post = post
        self._wake = wake
        # Held while messages are collected and sent, and while a client is let in: so nobody is
        # told in between what the acknowledgement says too.
        self._delivering = threading.RLock()
        # Guards everything below; nothing is sent while it is held, for a client that turns out
        # to be gone leaves while something is sent to it.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._rooms: dict[tuple[Updates, float], Room] = {}
        self._inbox: deque[tuple[_News, Callable[[PublishOutcome], None] | None]] = deque()
        self._state: State | None = None
        #: All versions that name the newest value; usually one.
        self._current: set[int] = set()
        self._failure: BoilerError | None = None
        self._as_of = 0
        #: The value that ``notify`` did not publish, as text; only computations use it.
        self._withheld: str | None = None
        self._history = History(limits.history, limits.history_bytes)

    # --- the engine's side -----------------------------------------------------------------

    def compute(self, reader: CutReader) -> Computed[Shown]:
        """Build the view and its JSON. That its root is missing is an answer, and no failure."""
        with self._context.activated(), reading_through(reader):
            try:
                view = self._build()
            except DocumentNotFoundError as error:
                return Computed(error)
            value = Representation.of_view(view).body
            if overrides_notify(type(view)) and self._withholds(view, value):
                return Computed(self._standing(view))
            return Computed(value)

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[Shown],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Have what was computed delivered."""
        if computed.payload is None:
            done(PublishOutcome())
            return
        self._inbox.append((_News(computed.payload, computed.read_time_ns // 1000), done))
        self._wake()

    def fail(self, error: Exception) -> None:
        """Have the subscribers told that the view cannot be computed."""
        told = error if isinstance(error, BoilerError) else BoilerError(str(error))
        if told.http_status < 500:
            # Stored data of a wrong shape, say: no fault of the client's.
            told = BoilerError(str(error))
            told.__cause__ = error
        self._inbox.append((_News(told, 0), None))
        self._wake()

    # --- the subscribers' side -------------------------------------------------------------

    def await_first(self, timeout_s: float) -> None:
        """Wait until there is a value.

        :raises BoilerError: there is none, and why.
        :raises TimeoutError: it takes longer.
        """
        with self._changed:
            known = self._changed.wait_for(self._is_known, timeout_s)
            if self._failure is not None:
                raise self._failure
            if not known:
                raise TimeoutError

    def await_version(self, version: int, timeout_s: float) -> None:
        """Wait until the value is known to be that of a time not before a version."""
        with self._changed:
            self._changed.wait_for(lambda: self._as_of >= version, timeout_s)

    @property
    def as_of(self) -> int:
        """The time of the newest computation, changed or not, as a version."""
        return self._as_of

    def join(
        self, sid: str, options: SubscriptionOptions, answering: threading.Thread | None
    ) -> tuple[Room, Message]:
        """Let a client in, and give what brings it up to date.

        :raises BoilerError: the view cannot be computed now.
        """
        with self._delivering, self._lock:
            if self._failure is not None:
                raise self._failure
            assert self._state is not None
            key = options.updates, max(options.min_interval_s, self._limits.min_interval_s)
            room = self._rooms.get(key)
            if room is None:
                room = self._rooms[key] = Room(*key)
            held = options.version or 0
            version = max(self._current)
            if held > version:
                # Told by another process, or before a restart, and the value is of that time or
                # later: say it anew, as of now.
                version = max(self._as_of, held + 1)
                self._name_anew(version)
            elif held in self._current:
                version = held
            message = self._message(room, held, version)
            room.members[sid] = Member(version, answering)
            return room, message

    def leave(self, sid: str, room: Room) -> None:
        """Tell a client nothing any more."""
        with self._lock:
            room.members.pop(sid, None)
            key = room.updates, room.interval_s
            if not room.members and self._rooms.get(key) is room:
                del self._rooms[key]

    # --- the notifier's side ----------------------------------------------------------------

    def deliver(self, now: float) -> float | None:
        """Tell the rooms what is new, as far as it is time; when to be called again, if at all."""
        with self._delivering:
            with self._lock:
                parcels: list[_Parcel] = []
                finished = self._take_all()
                again = [self._tell(room, now, parcels) for room in self._rooms.values()]
            failed: list[Room] = []
            for parcel in parcels:
                try:
                    parcel.send()
                except BaseException as error:
                    if not is_failure(error):
                        raise
                    _log_failure(parcel, as_exception(error, "sending"))
                    failed.append(parcel.room)
                    self._tell_anew(parcel)
            again.extend(_pause(parcel.room, failed, now) for parcel in parcels)
        for finish in finished:
            finish()
        return min((at for at in again if at is not None), default=None)

    def drop(self) -> None:
        """Tell nobody any more; what waits to be delivered counts as done."""
        while self._inbox:
            _, done = self._inbox.popleft()
            if done is not None:
                done(PublishOutcome())

    def _withholds(self, view: ViewModel, value: dict[str, Any]) -> bool:
        """Whether a value is new, and the view's ``notify`` does not publish it."""
        text = canonical_json(value)
        with self._lock:
            told = None if self._failure is not None or self._state is None else self._state.text
        if text == self._withheld != told:
            return True
        withheld = text != told and not is_published(view)
        self._withheld = text if withheld else None
        return withheld

    def _standing(self, view: ViewModel) -> Shown | None:
        """What was published before a value that is withheld; ``None`` if that need not be said."""
        with self._lock:
            if self._failure is not None:
                return None
            if self._state is not None:
                return self._state.value
        return UnavailableError(f"{type(view).__name__}.notify has not published a value yet")

    def _is_known(self) -> bool:
        return self._state is not None or self._failure is not None

    def _take_all(self) -> list[Callable[[], None]]:
        """Learn all that was computed; what to call when it is delivered."""
        finished: list[Callable[[], None]] = []
        while self._inbox:
            news, done = self._inbox.popleft()
            changed = self._take_in(news)
            if done is not None:
                finished.append(partial(done, PublishOutcome(written=changed)))
        return finished

    def _take_in(self, news: _News) -> bool:
        """Learn what was computed; whether it is new."""
        self._as_of = max(self._as_of, news.as_of)
        self._changed.notify_all()
        if isinstance(news.value, BoilerError):
            self._fail(news.value)
            return True
        text = canonical_json(news.value)
        if self._state is not None and self._state.text == text and self._failure is None:
            return False
        self._failure = None
        version = max(news.as_of, *(told + 1 for told in self._current or [0]))
        self._as_of = version
        self._state = State(version, news.value, text)
        self._current = {version}
        self._history.add(self._state)
        return True

    def _fail(self, error: BoilerError) -> None:
        self._failure = error
        # What clients hold is no value to build on, once they were told that there is none.
        self._history.clear()
        for room in self._rooms.values():
            for member in room.members.values():
                member.version = 0
                member.unwarned = True

    def _tell(self, room: Room, now: float, parcels: list[_Parcel]) -> float | None:
        """Tell the members what they do not know; when to look again, if that is not all."""
        if now < room.retry_at:
            return room.retry_at
        if self._failure is not None:
            return self._warn(self._failure, room, now, parcels)
        if self._state is None:
            return None
        behind = [(s, m) for s, m in room.members.items() if m.version not in self._current]
        if not behind:
            return None
        if now < room.next_at:
            return room.next_at
        groups: dict[int, list[str]] = {}
        waiting = False
        newest = max(self._current)
        for sid, member in behind:
            if self._is_ready(sid, member):
                groups.setdefault(member.version, []).append(sid)
                member.version = newest
                member.unwarned = False
            else:
                waiting = True
        for held, sids in groups.items():
            message = self._message(room, held, newest)
            parcels.append(_Parcel(partial(self._post.update, message, sids), room, sids))
        if groups:
            room.next_at = now + room.interval_s
        return now + _LOOK_AGAIN_S if waiting else None

    def _warn(
        self, failure: BoilerError, room: Room, now: float, parcels: list[_Parcel]
    ) -> float | None:
        """Tell the members that there is no value; when to look again, if that is not all."""
        unwarned = [(sid, member) for sid, member in room.members.items() if member.unwarned]
        ready = [(sid, member) for sid, member in unwarned if self._is_ready(sid, member)]
        for _, member in ready:
            member.unwarned = False
        sids = [sid for sid, _ in ready]
        if sids:
            parcels.append(_Parcel(partial(self._post.warn, failure, room.id, sids), room, sids))
        return now + _LOOK_AGAIN_S if len(ready) < len(unwarned) else None

    def _tell_anew(self, parcel: _Parcel) -> None:
        """Send the whole value again, as a new version, to clients that may have missed it."""
        with self._lock:
            if self._state is None:
                return
            self._name_anew(max(self._current) + 1)
            for sid in parcel.sids:
                member = parcel.room.members.get(sid)
                if member is not None:
                    member.version = 0
                    member.unwarned = self._failure is not None

    def _name_anew(self, version: int) -> None:
        """Give the newest value one more version."""
        assert self._state is not None
        self._current.add(version)
        self._history.name_anew(version, self._state)

    def _is_ready(self, sid: str, member: Member) -> bool:
        if member.answering is not None:
            if member.answering.is_alive():
                return False
            member.answering = None
        return self._post.is_ready(sid)

    def _message(self, room: Room, held: int, version: int) -> Message:
        """The message that makes the newest value of the one at the version that is held."""
        assert self._state is not None
        meta: dict[str, Any] = {
            "subscription_id": room.id,
            "version": version,
            "read_time": _read_time(version),
        }
        if held == version:
            return Message(None, {**meta, "updates": "none"})
        patch = self._history.patch(room.updates, held, self._state)
        if patch is None:
            return Message(self._state.value, {**meta, "updates": "full"})
        return Message(patch, {**meta, "updates": room.updates, "previous_version": held})


class _Parcel(NamedTuple):
    """Something to be sent, and to whom."""

    send: Callable[[], None]
    room: Room
    sids: list[str]


class _News(NamedTuple):
    """The result of a computation, or why there is none."""

    value: dict[str, Any] | BoilerError
    as_of: int


def _log_failure(parcel: _Parcel, error: Exception) -> None:
    failures = parcel.room.failures
    logger.error(
        "sending to %d clients failed, and %d times before: %r; it is tried again after a pause",
        len(parcel.sids),
        failures,
        error,
        # Once is enough: the next will be the same.
        exc_info=None if failures else error,
    )


def _pause(room: Room, failed: list[Room], now: float) -> float | None:
    """Note whether sending to a room failed; when it is tried again, if so."""
    if not any(room is each for each in failed):
        room.failures = 0
        return None
    if room.retry_at <= now:
        room.failures += 1
        room.retry_at = now + min(_RETRY_S * 2 ** min(room.failures - 1, 16), _LONGEST_RETRY_S)
    return room.retry_at


def _read_time(version: int) -> str:
    return datetime.fromtimestamp(version / 1_000_000, UTC).isoformat(timespec="microseconds")
