from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.unit.memory import memory_context


@pytest.fixture
def memory() -> Iterator[MemoryDatastore]:
    """The database of this test, in memory."""
    context, datastore = memory_context()
    with context.activated():
        yield datastore
