"""Feeds that run, for the suite of feeds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.firestore.listen.hub import Hub

__all__ = ["Listening", "listening"]


class Listening:
    """A hub and its database: it shows by itself what is written."""

    def __init__(self, hub: Hub, datastore: FirestoreDatastore) -> None:
        self.feed = hub
        self.datastore = datastore

    def bring(self, documents: Collection[str], members: Collection[str]) -> None:
        """Nothing has to be done."""


@contextmanager
def listening(
    datastore: FirestoreDatastore, *, verify_targets: bool = False
) -> Iterator[Listening]:
    """A hub that runs in the block."""
    hub = Hub(datastore, verify_targets=verify_targets)
    hub.start()
    try:
        yield Listening(hub, datastore)
    finally:
        hub.stop()
