"""An engine with the adapters that applications have: views in documents, records beside them."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask_boiler.engine.acceptance import Acceptance
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.memory_dependencies import MemoryDependencies
from flask_boiler.engine.parking.parking import Parking
from flask_boiler.engine.publishing.publisher import Publisher
from flask_boiler.engine.publishing.stored_ledger import StoredLedger
from flask_boiler.ground.ports import Datastore, Feed

__all__ = ["document_engine"]


def document_engine(
    feed: Feed,
    datastore: Datastore,
    *,
    workers: int = 2,
    parking: Parking | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    """An engine that keeps views, and the record of their places, in a database.

    :param workers: threads that compute.
    :param clock: by which it is measured how long something lasts, in seconds.
    """
    acceptance = Acceptance(datastore, clock)
    return Engine(
        feed,
        Publisher(datastore, StoredLedger(datastore), acceptance=acceptance),
        MemoryDependencies(),
        acceptance,
        workers=workers,
        parking=parking,
        clock=clock,
    )
