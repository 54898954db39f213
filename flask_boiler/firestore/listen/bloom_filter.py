"""The bloom filter in an existence filter; pure.

It holds the resource names of the documents that did not change since the resume token.
Each name sets ``hash_count`` bits, found by double hashing: with the two halves of the
name's MD5 as little-endian integers h1 and h2, bit number i is
``((h1 + i·h2) mod 2⁶⁴) mod bit_count``.
"""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["BloomFilter"]

_MASK_64 = (1 << 64) - 1


class BloomFilter:
    """A set of names that can say for certain that a name is not in it.

    :param bits: the bitmap, the lowest bit of each byte first.
    :param padding: how many bits of the last byte are not used.
    :raises ValueError: the numbers do not describe a filter.
    """

    def __init__(self, bits: bytes, padding: int, hash_count: int) -> None:
        bit_count = 8 * len(bits) - padding
        if not 0 <= padding < 8 or bit_count < 0 or hash_count < 0 or (bits and not hash_count):
            raise ValueError(
                f"not a bloom filter: {len(bits)} bytes, padding {padding}, {hash_count} hashes"
            )
        self._bits = bits
        self._bit_count = bit_count
        self._hash_count = hash_count

    @classmethod
    def of(cls, message: Any) -> BloomFilter | None:
        """The filter in a protobuf ``BloomFilter``; ``None`` if that is not usable."""
        try:
            found = cls(message.bits.bitmap, message.bits.padding, message.hash_count)
        except ValueError:
            return None
        return found if found._bit_count else None

    def __contains__(self, name: str) -> bool:
        if not self._bit_count:
            return False
        digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
        h1 = int.from_bytes(digest[:8], "little")
        h2 = int.from_bytes(digest[8:], "little")
        return all(self._is_set(h1 + i * h2) for i in range(self._hash_count))

    def _is_set(self, number: int) -> bool:
        position = (number & _MASK_64) % self._bit_count
        return bool(self._bits[position >> 3] & (1 << (position & 7)))
