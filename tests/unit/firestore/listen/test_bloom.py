from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.firestore.listen.bloom_filter import BloomFilter
from tests.scripted_firestore.messages import existence_filter


def _filter(names: list[str]) -> BloomFilter:
    made = BloomFilter.of(existence_filter(1, 0, names).filter.unchanged_names)
    assert made is not None
    return made


@given(st.lists(st.text(max_size=40), max_size=50))
def test_what_was_put_in_is_in(names: list[str]) -> None:
    found = _filter(names)

    assert all(name in found for name in names)


def test_what_was_not_put_in_is_hardly_ever_in() -> None:
    found = _filter([f"projects/p/databases/d/documents/City/{i}" for i in range(1000)])

    strangers = [f"projects/p/databases/d/documents/City/{i}" for i in range(1000, 3000)]
    assert sum(name in found for name in strangers) < 20


def test_bits_are_found_by_double_hashing_with_md5() -> None:
    # md5("a") = 0cc175b9c0f1b6a831c399e269772661, so h1 = 0xa8b6f1c0b975c10c and
    # h2 = 0x61267769e299c331; modulo 61: h1 = 50, h2 = 43, h1 + h2 (which overflows) = 16.
    h1, h2, size = 0xA8B6F1C0B975C10C, 0x61267769E299C331, 61
    positions = {((h1 + i * h2) % 2**64) % size for i in range(3)}
    bitmap = bytearray(8)
    for position in positions:
        bitmap[position // 8] |= 1 << position % 8

    assert "a" in BloomFilter(bytes(bitmap), 3, 3)
    for position in positions:
        lacking = bytearray(bitmap)
        lacking[position // 8] &= ~(1 << position % 8)
        assert "a" not in BloomFilter(bytes(lacking), 3, 3)


def test_an_empty_filter_has_nothing_in_it() -> None:
    assert "a" not in BloomFilter(b"", 0, 0)


@pytest.mark.parametrize(
    ("bits", "padding", "hash_count"),
    [(b"\x01", 8, 1), (b"\x01", -1, 1), (b"", 1, 1), (b"\x01", 0, 0), (b"\x01", 0, -1)],
)
def test_numbers_that_describe_no_filter_are_refused(
    bits: bytes, padding: int, hash_count: int
) -> None:
    with pytest.raises(ValueError, match="not a bloom filter"):
        BloomFilter(bits, padding, hash_count)
