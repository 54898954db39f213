"""The hub, on the embedded Firestore in this process, held to what the port promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.contracts.feed_contract import FeedContract
from tests.contracts.sources import Listening, listening


class TestHub(FeedContract):
    """Without a port."""

    @pytest.fixture
    def source(self) -> Iterator[Listening]:
        with listening(MemoryDatastore()) as source:
            yield source
