"""WebChannel: streams in both directions over HTTP/1.1, as browsers speak them.

A session is a stream of the service. The client says what it has to say in POST requests, and
hears the answers in one GET that stays open; when that is lost, it asks again, tells the number of
the last answer that it has got, and is given what came later. So answers are kept until the client
has acknowledged them, and the stream is not read on while too many are. A client that only listens
acknowledges with its next GET alone; so a GET ends after some amount, and the client asks again.

No session has a thread: what its stream has to say is asked for on a pool's threads, when there is
something and there is room for it.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import grpc

from flask_boiler.local.embedded.serving.proto_json import json_of
from flask_boiler.local.embedded.serving.session_stream import (
    SessionStream,
    listen_stream,
    write_stream,
)
from flask_boiler.local.embedded.serving.streams import Streams
from flask_boiler.local.embedded.storage.database import refusal_of
from flask_boiler.local.embedded.storage.refusal import Refusal, invalid

__all__ = ["CHANNELS", "BackChannel", "ChannelLimits", "Session", "WebChannels", "frame"]

_log = logging.getLogger("flask_boiler.embedded")

#: The version of the protocol, and what the client is told of keeping alive (milliseconds).
_VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS = 8, 12, 30_000
#: How long a number may be that a client counts by.
_DIGITS = 15

CHANNELS = ("Listen", "Write")


class ChannelLimits(NamedTuple):
    """The bounds of WebChannel.

    :param sessions: how many there are.
    :param messages: how many one POST may say.
    :param kept_bytes: of answers that are not acknowledged, while the client hears them.
    :param kept_unheard_bytes: the same, while it does not.
    :param channel_bytes: after so much a back channel ends, to have the client acknowledge. Far
        below what is kept, so that nobody waits for it.
    :param noop_after_s: a back channel that has nothing to say says so. Half of what the client
        waits for.
    :param abandoned_after_s: a session whose client hears nothing for so long is over.
    :param beat_after_s: how often a Listen stream gives a marker.
    """

    sessions: int = 500
    messages: int = 1000
    kept_bytes: int = 8 * 1024 * 1024
    kept_unheard_bytes: int = 1024 * 1024
    channel_bytes: int = 1024 * 1024
    noop_after_s: float = 15.0
    abandoned_after_s: float = 90.0
    beat_after_s: float = 30.0


def frame(arrays: list[str]) -> bytes:
    """Arrays as a back channel says them: their length in UTF-16 code units, and they."""
    text = f"[{','.join(arrays)}]"
    return f"{len(text)}\n{text}".encode("ascii")


class BackChannel:
    """Frames of answers for one GET, from the first that the client has not got.

    It ends after some amount, also when there is more: the client asks again. A newer one of the
    same session ends it, too.
    """

    def __init__(self, session: Session, last_id: int, *, at_once: bool, most: int) -> None:
        self._session = session
        self._last_id = last_id
        self._at_once = at_once
        self._left = most
        self._wake: Callable[[], None] | None = None

    def open(self, wake: Callable[[], None]) -> None:
        """Call this, on any thread, when there is more after there was nothing."""
        self._wake = wake

    def take(self) -> bytes | None:
        """The next frame; ``None``: nothing yet; empty: it is over."""
        if self._left <= 0:
            return b""
        arrays = self._session.next_arrays(self, self._last_id, self._left)
        if not arrays:
            return b"" if arrays is None else None
        self._last_id = arrays[-1][0]
        said = frame([text for _, text in arrays])
        # What is asked for at once ends with the first frame.
        self._left = 0 if self._at_once else self._left - len(said)
        return said

    def stir(self) -> None:
        """Have it look again."""
        if self._wake is not None:
            self._wake()

    def close(self) -> None:
        """The client hears it no longer."""
        self._session.unheard(self)


class Session:
    """A session: one stream of a page. May be used by any thread.

    :param run: has a call done on another thread, soon.
    """

    def __init__(
        self,
        stream: SessionStream,
        run: Callable[[Callable[[], None]], None],
        limits: ChannelLimits,
        path: str,
    ) -> None:
        #: What the client calls it.
        self.sid = secrets.token_urlsafe(16)
        self._stream = stream
        self._limits = limits
        self._path = path
        self._run = run
        self._lock = threading.Lock()
        # What is heard may take long to read, and nobody who wants to say something waits for it.
        self._hearing = threading.Lock()
        self._ids = itertools.count(1)
        self._kept: deque[tuple[int, str]] = deque()
        self._kept_bytes = 0
        self._last_id = 0
        self._heard = 0
        self._channel: BackChannel | None = None
        now = time.monotonic()
        self._unheard_since_s = self._said_at_s = self._beaten_at_s = now
        self._is_over = False
        #: The stream has ended with an error, which the client is to acknowledge.
        self._has_failed = False
        # Whose turn it is to ask the stream. Nothing else is locked while this is.
        self._turn = threading.Lock()
        self._is_wanted = False
        self._is_running = False
        # Of whoever has the turn.
        self._news: Iterator[dict[str, Any]] | None = None
        self._is_finished = False
        stream.attend(self._want)

    @property
    def is_over(self) -> bool:
        """Whether it is known no longer."""
        return self._is_over

    # What the client says.

    def hear(self, fields: Mapping[str, str]) -> None:
        """Take the messages of a POST, without those that have come before.

        :raises Refusal: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED: nothing of it is heard.
        """
        first, count = _number(fields, "ofs"), _number(fields, "count")
        if count > self._limits.messages:
            raise invalid(f"A request says {self._limits.messages} messages at most.")
        with self._hearing:
            if first > self._heard:
                raise invalid(f"What was said from message {self._heard} on has not come.")
            new = range(max(self._heard - first, 0), count)
            texts = [fields.get(f"req{number}___data__", "") for number in new]
            self._stream.hear(texts)
            self._heard = max(self._heard, first + count)

    def acknowledge(self, last_id: int) -> None:
        """The client has got all answers up to this one."""
        with self._lock:
            while self._kept and self._kept[0][0] <= last_id:
                self._kept_bytes -= len(self._kept.popleft()[1])
            if self._has_failed and not self._kept:
                self._is_over = True
        self._want()

    def state(self) -> str:
        """The answer to a POST: whether there is a back channel, and what was said on it."""
        with self._lock:
            return json_of([int(self._channel is not None), self._last_id, self._kept_bytes])

    # What it is told.

    def back_channel(self, *, last_id: int, at_once: bool) -> BackChannel:
        """A new back channel, instead of the one that there is.

        :param at_once: end after the first frame.
        """
        self.acknowledge(last_id)
        made = BackChannel(self, last_id, at_once=at_once, most=self._limits.channel_bytes)
        with self._lock:
            older, self._channel = self._channel, made
            is_told = self._last_id > last_id
        if older is not None:
            older.stir()
        # Who has something to hear need not be told that it is heard; and what is said is kept.
        if not (at_once or is_told):
            self._say(["noop"])
        # There is more room, now that it is heard.
        self._want()
        return made

    def next_arrays(
        self, channel: BackChannel, last_id: int, most: int
    ) -> list[tuple[int, str]] | None:
        """The arrays that a back channel says next, or nothing yet; ``None``: it is over."""
        with self._lock:
            if self._channel is not channel:
                return None
            if self._last_id > last_id:
                return _first_of((kept for kept in self._kept if kept[0] > last_id), most)
            return None if self._is_over else []

    def unheard(self, channel: BackChannel) -> None:
        """Note that a back channel has ended."""
        with self._lock:
            if self._channel is channel:
                self._channel = None
                self._unheard_since_s = time.monotonic()

    def look(self, now: float) -> None:
        """Do what it is time for; to be called every few seconds."""
        with self._lock:
            is_heard = self._channel is not None
            limits = self._limits
            if not is_heard and now - self._unheard_since_s > limits.abandoned_after_s:
                self._is_over = True
            is_silent = is_heard and now - self._said_at_s > limits.noop_after_s
            beats = now - self._beaten_at_s > limits.beat_after_s
            if beats:
                self._beaten_at_s = now
        if self._is_over:
            self.close()
        elif is_silent:
            self._say(["noop"])
        if beats:
            self._stream.beat()

    def close(self) -> None:
        """End it; its stream ends soon."""
        with self._lock:
            self._is_over = True
        self._stir_channel()
        self._want()

    def _say(self, payload: Any) -> None:
        content = json_of(payload)
        with self._lock:
            number = next(self._ids)
            text = f"[{number},{content}]"
            self._kept.append((number, text))
            self._kept_bytes += len(text)
            self._last_id = number
            self._said_at_s = time.monotonic()
        self._stir_channel()

    def _stir_channel(self) -> None:
        channel = self._channel
        if channel is not None:
            channel.stir()

    # Whoever has the turn asks the stream.

    def _want(self) -> None:
        """Have the stream asked what it has to say, on some thread."""
        with self._turn:
            self._is_wanted = True
            if self._is_running:
                return
            self._is_running = True
        self._run(self._take_turn)

    def _take_turn(self) -> None:
        while True:
            with self._turn:
                if not self._is_wanted:
                    self._is_running = False
                    return
                self._is_wanted = False
            if not self._is_finished:
                self._ask()

    def _ask(self) -> None:
        try:
            if not self._is_over:
                self._tell_news()
            if self._stream.is_closed:
                self._end()
        except Refusal as refusal:
            self._fail(refusal)
        except sqlite3.Error as error:
            self._fail(refusal_of(error, self._path))
        # Nobody else would ever tell the client.
        except Exception:
            _log.exception("a stream of a browser went wrong")
            self._fail(Refusal(grpc.StatusCode.INTERNAL, "The stream went wrong; see the log"))
        if self._is_over:
            self._end()

    def _tell_news(self) -> None:
        while self._has_room():
            if self._news is None:
                self._news = self._stream.news()
            answer = next(self._news, None)
            if answer is None:
                self._news = None
                return
            self._say([answer])

    def _has_room(self) -> bool:
        with self._lock:
            is_heard = self._channel is not None
            most = self._limits.kept_bytes if is_heard else self._limits.kept_unheard_bytes
            return self._kept_bytes < most and not self._is_over

    def _fail(self, refusal: Refusal) -> None:
        code, name = refusal.code.value[0], refusal.code.name
        self._say([{"error": {"code": code, "status": name, "message": refusal.details}}])
        with self._lock:
            self._has_failed = True
        self._finish()

    def _end(self) -> None:
        if not self._has_failed:
            with self._lock:
                self._is_over = True
            self._stir_channel()
        self._finish()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._news = None
            self._stream.finish()


class WebChannels:
    """All sessions of a server. May be used by any thread.

    :param run: has a call done on another thread, soon.
    """

    def __init__(
        self,
        streams: Streams,
        run: Callable[[Callable[[], None]], None],
        limits: ChannelLimits | None = None,
        path: str = "",
    ) -> None:
        self._streams = streams
        self._run = run
        self._limits = limits or ChannelLimits()
        self._path = path
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._has_warned = False

    def open(self, channel: str, body: str) -> tuple[Session, bytes]:
        """A new session, and what its client is told of it.

        :param channel: one of ``CHANNELS``.
        :raises Refusal: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED: there are too many.
        """
        made = listen_stream if channel == "Listen" else write_stream
        session = Session(made(self._streams), self._run, self._limits, self._path)
        session.hear(fields_of(body))
        with self._lock:
            self._sessions = {s: one for s, one in self._sessions.items() if not one.is_over}
            is_full = len(self._sessions) >= self._limits.sessions
            if not is_full:
                self._sessions[session.sid] = session
        if is_full:
            session.close()
            raise self._full()
        told = ["c", session.sid, "", _VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS]
        return session, frame([json_of([0, told])])

    def _full(self) -> Refusal:
        message = (
            f"Browsers have {self._limits.sessions} streams open, which is the most that the "
            "embedded Firestore serves; close pages that are not needed"
        )
        if not self._has_warned:
            self._has_warned = True
            _log.warning("%s. It is said once", message)
        return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

    def find(self, sid: str) -> Session | None:
        """The session that a client means, unless it is over."""
        with self._lock:
            session = self._sessions.get(sid)
        return None if session is None or session.is_over else session

    def end(self, session: Session) -> None:
        """The client needs it no longer."""
        with self._lock:
            self._sessions.pop(session.sid, None)
        session.close()

    def look(self, now: float | None = None) -> None:
        """Do what it is time for; to be called every second or so."""
        at = time.monotonic() if now is None else now
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.look(at)
            if session.is_over:
                self.end(session)

    def close(self) -> None:
        """End all sessions; their streams end soon."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()


def fields_of(body: str) -> dict[str, str]:
    """The fields of what is posted.

    :raises Refusal: INVALID_ARGUMENT.
    """
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=10_000))
    except ValueError as error:
        raise invalid(f"The request is not valid: {error}.") from error


def _first_of(arrays: Iterator[tuple[int, str]], most: int) -> list[tuple[int, str]]:
    """The first messages, as many as fit in some bytes, and at least one."""
    found: list[tuple[int, str]] = []
    for number, text in arrays:
        most -= len(text)
        if found and most < 0:
            break
        found.append((number, text))
    return found


def _number(fields: Mapping[str, str], name: str) -> int:
    value = fields.get(name, "0")
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise invalid(f'"{value[:_DIGITS]}" is not a number of messages.')
    return int(value)
