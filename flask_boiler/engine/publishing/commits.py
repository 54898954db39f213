"""What goes into one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flask_boiler.engine.publishing.publication import Publication

__all__ = ["MOST_BYTES", "MOST_WRITES", "commits_of", "fits"]

MOST_WRITES = 500
# Firestore takes 10 MiB a commit, and Google's emulator 4; the ledger's records and names come
# on top of the documents. What turns out too large all the same is split.
MOST_BYTES = 3 * 1024 * 1024


def fits(publications: Sequence[Publication]) -> bool:
    """Whether they are of the size of one commit."""
    writes = sum(len(publication.plan.writes) for publication in publications)
    size_bytes = sum(publication.plan.size_bytes for publication in publications)
    return writes <= MOST_WRITES and size_bytes <= MOST_BYTES


def commits_of(groups: Iterable[list[Publication]]) -> Iterator[list[Publication]]:
    """The groups, as many together as a commit takes, and at least one."""
    commit: list[Publication] = []
    for group in groups:
        if commit and not fits([*commit, *group]):
            yield commit
            commit = []
        commit = [*commit, *group]
    if commit:
        yield commit
