"""Resume tokens: positions that the server can go back to, until they expire."""

from __future__ import annotations

import threading

_PREFIX = b"at:"


class Tokens:
    """Issues tokens, and knows which of them still count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 0

    def issue(self, at_ns: int) -> bytes:
        with self._lock:
            return _PREFIX + b"%d:%d" % (self._generation, at_ns)

    def expire(self) -> None:
        """Forget all tokens that were issued up to now."""
        with self._lock:
            self._generation += 1

    def time_ns(self, token: bytes) -> int | None:
        """The position of a token, or ``None`` if it is not known (any more)."""
        if not token.startswith(_PREFIX):
            return None
        generation, at_ns = token[len(_PREFIX) :].split(b":")
        with self._lock:
            return int(at_ns) if int(generation) == self._generation else None
