"""The issuer of resume tokens: the time up to which a client of a Listen stream was told all."""

from __future__ import annotations

import struct
import threading
import zlib

from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage

__all__ = ["TokenIssuer"]

_FORMAT = struct.Struct(">2s8sIQ")
_MAGIC = b"b1"


class TokenIssuer:
    """The issuer of tokens, which knows which of them still count.

    A token counts for the database that it was issued for, in the storage that it was issued
    from, as long as the storage knows the past since then. Tokens of a storage in a file outlive
    a restart.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._expired_until = 0

    def issue(self, world: str, time: int) -> bytes:
        """A token for a time."""
        return _FORMAT.pack(_MAGIC, self._storage.identity, zlib.crc32(world.encode()), time)

    def time(self, world: str, token: bytes) -> int | None:
        """The time of a token, or ``None`` if it does not count (any more)."""
        if len(token) != _FORMAT.size:
            return None
        magic, identity, crc, time = _FORMAT.unpack(token)
        expected = (_MAGIC, self._storage.identity, zlib.crc32(world.encode()))
        return time if (magic, identity, crc) == expected and self.counts(time) else None

    def counts(self, time: int) -> bool:
        """Whether one can resume from a time."""
        with self._lock:
            if time <= self._expired_until:
                return False
        try:
            self._storage.check_read_time(time)
        except Refusal:
            return False
        return True

    def expire(self) -> None:
        """Have all tokens that were issued up to now count no more."""
        with self._lock:
            self._expired_until = self._storage.read_time()
