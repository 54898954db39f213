"""Filling the bloom filter of an existence filter.

Each name sets ``hash_count`` bits, found by double hashing: with the halves of the name's MD5 as
little-endian integers h1 and h2, bit number i is ``((h1 + i·h2) mod 2⁶⁴) mod bit_count``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

__all__ = ["fill_bloom"]

#: How often a name that is not in it seems to be.
_ERROR_RATE = 0.0001
_MASK_64 = (1 << 64) - 1


def fill_bloom(message: Any, names: Sequence[str]) -> None:
    """Make a protobuf ``BloomFilter`` hold the full resource names of documents."""
    size = max(1, math.ceil(-len(names) * math.log(_ERROR_RATE) / math.log(2) ** 2))
    hash_count = max(1, round(size / max(1, len(names)) * math.log(2))) if names else 1
    bitmap = bytearray((size + 7) // 8)
    for name in names:
        digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
        position = int.from_bytes(digest[:8], "little")
        step = int.from_bytes(digest[8:], "little")
        for turn in range(hash_count):
            bit = ((position + turn * step) & _MASK_64) % size
            bitmap[bit >> 3] |= 1 << (bit & 7)
    message.bits.bitmap = bytes(bitmap)
    message.bits.padding = 8 * len(bitmap) - size
    message.hash_count = hash_count
