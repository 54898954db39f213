"""The decision which views may move to the places that they want, and with which others.

Views that exchange their places, or pass them on, each want what another one has. So the moves of
a batch are judged together: what one leaves, another may claim in the same commit. Who wants what
nobody leaves is blocked, and only leaves. Who wants what a view has that is being computed is
late: what that one wants will be known soon.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask_boiler.engine.view_key import ViewKey

__all__ = ["Move", "Settlement", "settle_moves"]


@dataclass(frozen=True, slots=True)
class Move:
    """The places that a publication claims and leaves for its view.

    :param claims: the places that the view wants and does not have.
    :param leaves: the places that it has and does not want; what is there is deleted.
    """

    key: ViewKey
    claims: frozenset[str] = frozenset()
    leaves: frozenset[str] = frozenset()


@dataclass(slots=True)
class Settlement:
    """The decision about the moves of a batch: who waits, who is refused, and what is passed on.

    :param late: who is to wait for others that are being computed; it neither claims nor leaves.
    :param blocked: who cannot have what it wants, and which of the places others have, or get, by
        owner. It leaves what it leaves.
    :param passed: by place that one leaves and another claims: from whom, and to whom.
    """

    late: set[ViewKey] = field(default_factory=set)
    blocked: dict[ViewKey, dict[str, ViewKey]] = field(default_factory=dict)
    passed: dict[str, tuple[ViewKey, ViewKey]] = field(default_factory=dict)

    def passed_by(self, key: ViewKey) -> set[str]:
        """The places that others take over from a view."""
        return {place for place, (leaver, _) in self.passed.items() if leaver == key}

    def together(self, keys: Sequence[ViewKey]) -> list[list[ViewKey]]:
        """The views in groups, each of which has to be of one commit."""
        group_of = {key: [key] for key in keys}
        for leaver, claimer in self.passed.values():
            one, other = group_of[leaver], group_of[claimer]
            if one is not other:
                one.extend(other)
                group_of.update(dict.fromkeys(other, one))
        return list({id(group): group for group in group_of.values()}.values())


def settle_moves(
    moves: Sequence[Move],
    owners: Mapping[str, ViewKey],
    *,
    is_coming: Callable[[ViewKey, bool], bool],
    impatient: Collection[ViewKey] = (),
) -> Settlement:
    """Judge the moves of a batch.

    :param owners: who has the places that are claimed, where anybody has.
    :param is_coming: whether a view is being computed, and so may leave what it has; of one of
        the batch (then this is told, too), whether it is to be computed once more.
    :param impatient: who does not wait any longer.
    """
    settlement = Settlement()
    batch = {move.key for move in moves}

    def comes(owner: ViewKey) -> bool:
        return owner in settlement.late or is_coming(owner, owner in batch)

    while True:
        present = [move for move in moves if move.key not in settlement.late]
        leavers = {place: move.key for move in present for place in move.leaves}
        late = {
            move.key
            for move in present
            if move.key not in impatient and _waits(move, owners, leavers, comes)
        }
        if not late:
            break
        settlement.late |= late
    claimed: dict[str, ViewKey] = {}
    for move in present:
        taken = {**dict(_obstacles(move, owners, leavers)), **_common(claimed, move.claims)}
        if taken:
            settlement.blocked[move.key] = taken
        else:
            claimed.update(dict.fromkeys(move.claims, move.key))
    settlement.passed = {
        place: (leavers[place], claimer) for place, claimer in claimed.items() if place in leavers
    }
    return settlement


def _waits(
    move: Move,
    owners: Mapping[str, ViewKey],
    leavers: Mapping[str, ViewKey],
    comes: Callable[[ViewKey], bool],
) -> bool:
    obstacles = {owner for _, owner in _obstacles(move, owners, leavers)}
    return bool(obstacles) and all(map(comes, obstacles))


def _obstacles(
    move: Move, owners: Mapping[str, ViewKey], leavers: Mapping[str, ViewKey]
) -> Iterator[tuple[str, ViewKey]]:
    """The places that a move claims and that somebody has and keeps, with who that is."""
    for place in sorted(move.claims):
        owner = owners.get(place)
        if owner is not None and leavers.get(place) != owner:
            yield place, owner


def _common(claimed: Mapping[str, ViewKey], claims: frozenset[str]) -> dict[str, ViewKey]:
    return {place: claimed[place] for place in claims if place in claimed}
