"""The Listen and Write calls, which are streams in both directions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from flask_boiler.embedded.conversation import Conversation, ListenPolicy
from flask_boiler.embedded.faults import Faults
from flask_boiler.embedded.service import Service
from flask_boiler.embedded.switchboard import Switchboard
from flask_boiler.embedded.tokens import Tokens
from flask_boiler.embedded.write_stream import WriteStream
from flask_boiler.firestore import protocol

__all__ = ["Streams"]


class Streams:
    """What streams need, on one storage. May be used by any thread."""

    def __init__(self, service: Service, faults: Faults, policy: ListenPolicy) -> None:
        self._service = service
        self._faults = faults
        self._policy = policy
        self._switchboard = Switchboard(service.storage.feed)
        self._tokens = Tokens(service.storage)
        faults.expire_tokens = self._tokens.expire

    def conversation(self) -> Conversation:
        """A Listen stream."""
        return Conversation(
            self._service.storage, self._switchboard, self._tokens, self._faults, self._policy
        )

    def write_stream(self) -> WriteStream:
        """A Write stream."""
        return WriteStream(self._service, self._faults)

    def listen(self, requests: Iterator[Any], context: Any) -> Iterator[bytes]:
        """Listen, as gRPC calls it: takes a thread, and one more that hears the client.

        :raises Refusal: the stream ends with a code.
        """
        conversation = self.conversation()
        if not context.add_callback(lambda: conversation.end(None)):
            return
        context.send_initial_metadata(((protocol.FAULTLESS, "1"),))
        threading.Thread(
            target=_hear_all,
            args=(requests, conversation),
            name="embedded-firestore-hears",
            daemon=True,
        ).start()
        yield from conversation.responses()

    def write(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """Write, as gRPC calls it.

        :raises Refusal: the stream ends with a code.
        """
        stream = self.write_stream()
        for request in requests:
            yield stream.answer(request)


def _hear_all(requests: Iterator[Any], conversation: Conversation) -> None:
    try:
        for request in requests:
            conversation.hear(request)
    # The call is over, however it ended; its context tells so, too.
    except Exception:
        conversation.end(None)
