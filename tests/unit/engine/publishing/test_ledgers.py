"""The ledgers, held to what the port promises."""

from __future__ import annotations

import pytest

from flask_boiler.engine.publishing.memory_ledger import MemoryLedger
from flask_boiler.engine.publishing.stored_ledger import StoredLedger
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.contracts.ledger_contract import LedgerContract


@pytest.fixture
def datastore() -> MemoryDatastore:
    return MemoryDatastore()


class TestStoredLedger(LedgerContract):
    """In documents."""

    @pytest.fixture
    def ledger(self, datastore: MemoryDatastore) -> StoredLedger:
        return StoredLedger(datastore)


class TestMemoryLedger(LedgerContract):
    """In this process's memory."""

    @pytest.fixture
    def ledger(self, datastore: MemoryDatastore) -> MemoryLedger:
        return MemoryLedger(datastore)
