from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.memory import MemoryContext, MemoryDatastore


@pytest.fixture
def memory() -> Iterator[MemoryDatastore]:
    """The database of this test, in memory."""
    context = MemoryContext()
    with context.activated():
        yield context.memory
