"""The roots of a mediator's views: the documents in the results of its queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask_boiler.ports import Cut, Incomplete
from flask_boiler.values import QueryTarget, Snapshot

__all__ = ["Population"]


class Population:
    """The members of some queries, each the root of a view.

    :param keeper: the mediator's name: whose views they are, also after a restart.
    :param targets: the queries; a document that is in any of them is a member.
    """

    def __init__(self, keeper: str, targets: Sequence[QueryTarget]) -> None:
        self.keeper = keeper
        self.targets = list(targets)
        #: Roots that had views when their query was not held, until they are compared.
        self.remembered: set[str] = set()
        self._unheld = set(self.targets)

    def member(self, root: str, cut: Cut) -> Snapshot | None:
        """The document of a member as of a cut; ``None`` if it is none.

        :raises Incomplete: it is in no result that the cut holds, and not all are held.
        """
        snapshot = self._found(root, cut)
        if snapshot is None:
            # Not to be found is not to be gone: the server may refuse the query for a while.
            unheld = [target for target in self.targets if not cut.holds(target)]
            if unheld:
                raise Incomplete(unheld)
        return snapshot

    def lose(self, target: QueryTarget, roots: Iterable[str]) -> None:
        """A query is not held any more; ``roots`` are to be compared when it is again."""
        self._unheld.add(target)
        self.remembered.update(roots)

    def lost_roots(self, target: QueryTarget, cut: Cut) -> list[str]:
        """Remembered roots that are no members any more; known once every query is held."""
        self._unheld.discard(target)
        if self._unheld or not self.remembered:
            return []
        remembered, self.remembered = self.remembered, set()
        return [root for root in remembered if self._found(root, cut) is None]

    def _found(self, root: str, cut: Cut) -> Snapshot | None:
        found = (cut.member(target, root) for target in self.targets)
        return next((snapshot for snapshot in found if snapshot is not None), None)
