"""The adapters of production, on both local Firestores, held to what the ports promise."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.engine.publishing.memory_ledger import MemoryLedger
from flask_boiler.engine.publishing.stored_ledger import StoredLedger
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.ports import LocalFirestore
from tests.contracts.datastore_contract import DatastoreContract
from tests.contracts.feed_contract import FeedContract
from tests.contracts.ledger_contract import LedgerContract
from tests.contracts.sources import Listening, listening


@pytest.fixture
def datastore(firestore_emulator: LocalFirestore) -> Iterator[FirestoreDatastore]:
    """An empty database of this test alone."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    client = local_client(firestore_emulator.host, project=project, database="(default)")
    datastore = FirestoreDatastore(client)
    yield datastore
    datastore.close()
    close_client(client)


class TestDatastore(DatastoreContract):
    """Over Google's channel."""


class TestStoredLedger(LedgerContract):
    """In documents."""

    @pytest.fixture
    def ledger(self, datastore: FirestoreDatastore) -> StoredLedger:
        return StoredLedger(datastore)


class TestMemoryLedger(LedgerContract):
    """In memory, beside documents that are not."""

    @pytest.fixture
    def ledger(self, datastore: FirestoreDatastore) -> MemoryLedger:
        return MemoryLedger(datastore)


class TestHub(FeedContract):
    """On a stream."""

    @pytest.fixture
    def source(self, datastore: FirestoreDatastore) -> Iterator[Listening]:
        with listening(datastore, verify_targets=True) as source:
            yield source
