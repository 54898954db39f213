"""WebChannel: streams in both directions over HTTP/1.1, as browsers speak them.

A session is a stream of the service. The client says what it has to say in POST requests, and
hears the answers in one GET that stays open; when that is lost, it asks again, tells the number of
the last answer that it has got, and is given what came later. So answers are kept until the client
has acknowledged them, and the stream is not read on while too many are. A client that only listens
acknowledges with its next GET alone; so a GET ends after some amount, and the client asks again.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from flask_boiler.embedded.conversation import Conversation
from flask_boiler.embedded.listening import Streams
from flask_boiler.embedded.proto_json import json_of, message_of, plain_of
from flask_boiler.embedded.refusal import Refusal, invalid
from flask_boiler.firestore import protocol

__all__ = ["CHANNELS", "Session", "WebChannels", "frame"]

#: The version of the protocol, and what the client is told of keeping alive (milliseconds).
_VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS = 8, 12, 30_000
#: A back channel that has nothing to say says so, so often. Half of what the client waits for.
_NOOP_AFTER_S = 15.0
#: A session whose client hears nothing for so long is over.
_ABANDONED_AFTER_S = 90.0
_MOST_UNACKNOWLEDGED = 8 * 1024 * 1024
#: After so much a back channel ends, to have the client ask again and thereby acknowledge: a page
#: that only listens has nothing to post. Far below what is kept, so that nobody waits for it.
_MOST_ON_A_CHANNEL = 1024 * 1024

CHANNELS = ("Listen", "Write")


def frame(arrays: list[str]) -> bytes:
    """Arrays as a back channel says them: their length in UTF-16 code units, and they."""
    text = f"[{','.join(arrays)}]"
    return f"{len(text)}\n{text}".encode("ascii")


class Session:
    """One stream. May be used by any thread."""

    def __init__(self, stream: _ListenEnd | _WriteEnd) -> None:
        #: What the client calls it.
        self.sid = secrets.token_urlsafe(16)
        self._stream = stream
        self._condition = threading.Condition()
        self._ids = itertools.count(1)
        self._kept: deque[tuple[int, str]] = deque()
        self._kept_bytes = 0
        self._last_id = 0
        self._heard = 0
        #: Which of the back channels is the present one.
        self._channel = 0
        self._has_channel = False
        self._heard_at_s = time.monotonic()
        self._is_over = False
        self._thread = threading.Thread(
            target=self._run, name="embedded-webchannel-says", daemon=True
        )
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it is known no longer."""
        return self._is_over

    def hear(self, fields: Mapping[str, str]) -> None:
        """The client said this, in a POST; what it has said before is left out.

        :raises Refusal: INVALID_ARGUMENT.
        """
        first, count = _number(fields, "ofs"), _number(fields, "count")
        with self._condition:
            new = range(max(self._heard - first, 0), count)
            requests = [self._stream.parse(fields.get(f"req{i}___data__", "")) for i in new]
            self._heard = max(self._heard, first + count)
            for request in requests:
                self._stream.hear(request)

    def acknowledge(self, last_id: int) -> None:
        """The client has got all answers up to this one."""
        with self._condition:
            while self._kept and self._kept[0][0] <= last_id:
                self._kept_bytes -= len(self._kept.popleft()[1])
            self._condition.notify_all()

    def state(self) -> str:
        """What is told in return for a POST: is there a back channel, what was said on it."""
        with self._condition:
            return json_of([int(self._has_channel), self._last_id, self._kept_bytes])

    def answers(self, *, last_id: int, at_once: bool) -> Iterator[bytes]:
        """A back channel: frames of answers, from the first that the client has not got.

        It ends after some amount, also when there is more: the client asks again.

        :param at_once: end after the first frame.
        """
        self.acknowledge(last_id)
        with self._condition:
            self._channel += 1
            channel = self._channel
            self._has_channel = True
            self._condition.notify_all()
        if not at_once:
            self._say(["noop"])
        left = _MOST_ON_A_CHANNEL
        try:
            while arrays := self._next_arrays(channel, last_id, left):
                last_id = arrays[-1][0]
                said = frame([text for _, text in arrays])
                left -= len(said)
                yield said
                if at_once or left <= 0:
                    return
        finally:
            with self._condition:
                if self._channel == channel:
                    self._has_channel = False
                    self._heard_at_s = time.monotonic()

    def close(self) -> None:
        """End it; returns when its thread is gone, unless it is called on it."""
        with self._condition:
            self._is_over = True
            self._condition.notify_all()
        self._stream.close()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _next_arrays(self, channel: int, last_id: int, most: int) -> list[tuple[int, str]]:
        """What is to be said next; nothing, if it is not this channel that says it.

        :param most: how many bytes it may be; one answer that is larger is said all the same.
        """
        while True:
            with self._condition:
                in_time = self._condition.wait_for(
                    lambda: self._channel != channel or self._is_over or self._last_id > last_id,
                    _NOOP_AFTER_S,
                )
                if self._channel != channel:
                    return []
                if self._last_id > last_id:
                    return _first_of((k for k in self._kept if k[0] > last_id), most)
                if in_time:
                    return []
            self._say(["noop"])

    def _say(self, payload: Any) -> None:
        content = json_of(payload)
        with self._condition:
            number = next(self._ids)
            text = f"[{number},{content}]"
            self._kept.append((number, text))
            self._kept_bytes += len(text)
            self._last_id = number
            self._condition.notify_all()

    def _run(self) -> None:
        """Say what the stream says, as fast as the client takes it."""
        try:
            for answer in self._stream.answers():
                if answer is not None:
                    self._say([answer])
                if not self._await_room():
                    break
        except Refusal as refusal:
            error = {
                "code": refusal.code.value[0],
                "status": refusal.code.name,
                "message": refusal.details,
            }
            self._say([{"error": error}])
            self._await_acknowledged()
        finally:
            with self._condition:
                self._is_over = True
                self._condition.notify_all()
            self._stream.close()

    def _await_room(self) -> bool:
        """Wait until the client has got enough; whether it is still there."""
        with self._condition:
            while not self._is_over and not self._is_abandoned():
                if self._kept_bytes < _MOST_UNACKNOWLEDGED:
                    return True
                self._condition.wait(_NOOP_AFTER_S)
            return False

    def _await_acknowledged(self) -> None:
        with self._condition:
            while self._kept and not self._is_over and not self._is_abandoned():
                self._condition.wait(_NOOP_AFTER_S)

    def _is_abandoned(self) -> bool:
        return not self._has_channel and time.monotonic() - self._heard_at_s > _ABANDONED_AFTER_S


class _ListenEnd:
    """A Listen stream, as a session sees it."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.hear = conversation.hear

    def parse(self, text: str) -> Any:
        return message_of(text, protocol.ListenRequest)

    def answers(self) -> Iterator[dict[str, Any] | None]:
        for response in self._conversation.responses():
            yield plain_of(protocol.ListenResponse.FromString(response))

    def close(self) -> None:
        self._conversation.end(None)


class _WriteEnd:
    """A Write stream, as a session sees it."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer = answer
        self._condition = threading.Condition()
        self._requests: deque[Any] = deque()
        self._is_closed = False

    def parse(self, text: str) -> Any:
        return message_of(text, protocol.WriteRequest)

    def hear(self, request: Any) -> None:
        with self._condition:
            self._requests.append(request)
            self._condition.notify()

    def answers(self) -> Iterator[dict[str, Any] | None]:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._requests or self._is_closed, _NOOP_AFTER_S)
                if self._is_closed:
                    return
                request = self._requests.popleft() if self._requests else None
            # Nothing, so that the session looks whether anybody is still there.
            yield None if request is None else plain_of(self._answer(request))

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify()


class WebChannels:
    """All sessions of a server. May be used by any thread."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def open(self, channel: str, body: str) -> tuple[Session, bytes]:
        """A new session, and what its client is told of it.

        :param channel: one of ``CHANNELS``.
        :raises Refusal: INVALID_ARGUMENT.
        """
        session = Session(
            _ListenEnd(self._streams.conversation())
            if channel == "Listen"
            else _WriteEnd(self._streams.write_stream().answer)
        )
        with self._lock:
            # Those that ended by themselves are forgotten at the next occasion.
            self._sessions = {s: one for s, one in self._sessions.items() if not one.is_over}
            self._sessions[session.sid] = session
        session.hear(dict(parse_qsl(body, keep_blank_values=True)))
        told = ["c", session.sid, "", _VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS]
        return session, frame([json_of([0, told])])

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

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()


def _first_of(arrays: Iterator[tuple[int, str]], most: int) -> list[tuple[int, str]]:
    """As many as fit in some bytes, and at least the first."""
    found: list[tuple[int, str]] = []
    for number, text in arrays:
        most -= len(text)
        if found and most < 0:
            break
        found.append((number, text))
    return found


def _number(fields: Mapping[str, str], name: str) -> int:
    value = fields.get(name, "0")
    if not value.isdecimal():
        raise invalid(f'"{value}" is not a number of messages.')
    return int(value)
