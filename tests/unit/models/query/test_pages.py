"""Pages: tokens of bounded length, and no document that is left out or comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_boiler import attrs
from flask_boiler.firestore import protocol
from flask_boiler.firestore.ordering import value_key
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query import position
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.unit.memory import memory_context


class Page(DomainModel):
    text = attrs.bproperty()
    number = attrs.bproperty()


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        yield datastore


def put(datastore: MemoryDatastore, doc_id: str, text: Any, number: int = 0) -> None:
    datastore.put(f"Page/{doc_id}", obj_type="Page", text=text, number=number)


def all_pages(
    query: Query[Page], datastore: MemoryDatastore, *, drop: bool, size: int
) -> list[str]:
    """The ids on all pages; with ``drop``, what a page ends with is gone before the next."""
    seen: list[str] = []
    token = None
    for _ in range(100):
        page = query.page(size, token)
        seen += [found.doc_id for found in page.results]
        token = page.next_page_token
        if token is None:
            return seen
        assert len(token) < 5000
        if drop:
            datastore.drop(f"Page/{seen[-1]}")
    raise AssertionError("pages without end")


LONG = "é" * 1000
TEXTS = {
    "a": LONG + "z",
    "b": LONG,
    "c": LONG + "a",
    "d": LONG[:700] + "z",
    "e": "short",
    "f": LONG + "m" * 5000,
    "g": "zz" + LONG,
    "h": LONG + "z",
}


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("order", ["text", "-text", "text,number", "-text,number", "number,-text"])
def test_long_values_make_short_tokens_that_lose_and_double_nothing(
    datastore: MemoryDatastore, order: str, size: int, drop: bool
) -> None:
    for number, (doc_id, text) in enumerate(TEXTS.items()):
        put(datastore, doc_id, text, number % 3)
    query = Page.all().order_by(*order.split(","))
    seen = all_pages(query, datastore, drop=drop, size=size)
    assert sorted(seen) == sorted(TEXTS)
    # What differs in what an index holds is in order.
    kept = [TEXTS[doc_id][:700] for doc_id in seen]
    if order.startswith(("text", "-text")):
        assert kept == sorted(kept, reverse=order.startswith("-"))


@pytest.mark.parametrize("descending", [False, True])
def test_values_of_every_kind_may_be_long(datastore: MemoryDatastore, descending: bool) -> None:
    values: list[Any] = [
        *([1] * n for n in (1, 90, 95, 200)),
        *(["x" * 2000, n] for n in range(3)),
        *({"k": "y" * 2000, "l": n} for n in range(3)),
        *({f"k{m}": n for m in range(200)} for n in range(3)),
        *(b"z" * (1490 + n) for n in range(20)),
        *(None, True, 7, 7.5, "é" * 749, "é" * 750, "é" * 751, "\U0010ffff" * 500),
    ]
    for number, value in enumerate(values):
        put(datastore, f"p{number:02}", value)
    query = Page.all().order_by("text", descending=descending)
    seen = all_pages(query, datastore, drop=False, size=3)
    assert sorted(seen) == [f"p{number:02}" for number in range(len(values))]


def test_a_page_of_short_values_is_read_at_once(datastore: MemoryDatastore) -> None:
    for number in range(9):
        put(datastore, f"p{number}", "short")
    query = Page.all().order_by("text")
    first = query.page(4)
    second = query.page(4, first.next_page_token)
    assert [page.doc_id for page in second.results] == ["p4", "p5", "p6", "p7"]
    assert len(datastore.queries) == 2


def test_what_is_sorted_by_name_first_has_pages(datastore: MemoryDatastore) -> None:
    for number in range(5):
        put(datastore, f"p{number}", "x" * 3000)
    query = Page.all().order_by("doc_id")
    assert all_pages(query, datastore, drop=True, size=2) == ["p0", "p1", "p2", "p3", "p4"]


def stored(value: Any) -> Any:
    made = protocol.Value()
    match value:
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case bool():
            made.boolean_value = value
        case int():
            made.integer_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(map(stored, value))
        case dict():
            made.map_value.SetInParent()
            for name, item in value.items():
                made.map_value.fields[name].CopyFrom(stored(item))
        case _:
            made.null_value = 0
    return made


texts = st.text("aé€\U0001f600b", max_size=16)
parts = texts | st.binary(max_size=16) | st.booleans() | st.integers(-2, 2) | st.none()
values = st.recursive(
    parts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(values, values, st.integers(0, 60))
def test_cutting_keeps_the_order(one: Any, other: Any, room: int) -> None:
    room += 16
    less, greater = sorted(map(stored, (one, other)), key=value_key)
    (kept_less, room_less), (kept_greater, room_greater) = (
        position._kept(value, room) for value in (less, greater)
    )
    assert value_key(kept_less) <= value_key(kept_greater)
    if value_key(kept_less) == value_key(kept_greater):
        # Either both may have been cut, or they are equal.
        assert (room_less < 16) == (room_greater < 16)
        if room_less >= 16:
            assert value_key(less) == value_key(greater)
    for value, kept, left in ((less, kept_less, room_less), (greater, kept_greater, room_greater)):
        again, left_again = position._kept(kept, room)
        assert again == kept and (left_again < 16) == (left < 16)
        if left >= 16:
            assert kept == value
        # The beginning of a value is never greater than the value.
        assert value_key(kept) <= value_key(value)


@given(st.text("a\ud7ff\U0010ffff", min_size=1, max_size=3), st.text(max_size=3))
def test_a_successor_is_greater_than_all_that_begin_so(text: str, rest: str) -> None:
    following = position._successor(stored(text))
    if following is None:
        assert set(text) == {"\U0010ffff"}
    else:
        assert value_key(following) > value_key(stored(text + rest))
