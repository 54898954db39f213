"""The queue of what is to be published, and how much of it goes into one commit."""

from __future__ import annotations

import math
import queue
from collections.abc import Iterable, Iterator, Sequence

from flask_boiler.engine.publishing.publication import Publication, Signal

__all__ = ["Intake", "commits_of", "fits"]

MOST_WRITES = 500
# Firestore takes 10 MiB a commit, and Google's emulator 4; the ledger's records and names come
# on top of the documents. What turns out too large all the same is split.
MOST_BYTES = 3 * 1024 * 1024


class Intake:
    """A queue whose content is taken in portions of about the size of a commit."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Publication | Signal] = queue.SimpleQueue()

    def put(self, arriving: Publication | Signal) -> None:
        """Have it taken, after what came before; never blocks."""
        self._queue.put(arriving)

    def take(self, timeout_s: float) -> tuple[list[Publication], bool]:
        """The publications that are there, up to the size of a commit; whether the end was reached.

        :param timeout_s: how long to wait for the first; infinite to wait for ever. With nothing in
            that time, or a nudge, it is empty.
        """
        batch: list[Publication] = []
        documents = size_bytes = 0
        try:
            arrived = self._queue.get(timeout=None if timeout_s == math.inf else timeout_s)
        except queue.Empty:
            return batch, False
        while True:
            if arrived is Signal.END:
                return batch, True
            if isinstance(arrived, Publication):
                batch.append(arrived)
                written = [d for d in arrived.documents.by_place.values() if d is not None]
                documents += len(written)
                size_bytes += sum(document.ByteSize() for document in written)
            if documents >= MOST_WRITES or size_bytes >= MOST_BYTES:
                return batch, False
            try:
                arrived = self._queue.get_nowait()
            except queue.Empty:
                return batch, False


def fits(publications: Sequence[Publication]) -> bool:
    """Whether publications fit into one commit."""
    writes = sum(len(publication.plan.writes) for publication in publications)
    size_bytes = sum(publication.plan.size_bytes for publication in publications)
    return writes <= MOST_WRITES and size_bytes <= MOST_BYTES


def commits_of(groups: Iterable[list[Publication]]) -> Iterator[list[Publication]]:
    """Commits: of as many groups as one takes, and of at least one."""
    commit: list[Publication] = []
    for group in groups:
        if commit and not fits([*commit, *group]):
            yield commit
            commit = []
        commit = [*commit, *group]
    if commit:
        yield commit
