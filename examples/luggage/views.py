"""The views that front ends read: the totals of each traveller's luggage, and of each size."""

from __future__ import annotations

from typing import Any

from examples.luggage.models import Luggage, Traveller
from flask_boiler import Query, Store, ViewModel, attrs, param, reference, root

__all__ = ["LuggageView", "SizeView"]


class LuggageStore(Store):
    """The documents that the view of a traveller is computed from."""

    traveller = root(Traveller)

    @reference(Luggage, many=True)
    def pieces(self) -> Query[Luggage]:
        return Luggage.where(owner=self.traveller)


class LuggageView(ViewModel):
    """All that a traveller has, at ``luggage/<traveller>``."""

    store: LuggageStore

    class Meta:
        path = "luggage/{traveller.doc_id}"

    @attrs.computed
    def pieces(self) -> list[dict[str, Any]]:
        """Each piece, the lightest first."""
        # Sorted here, because a query that does needs an index of its own.
        pieces = sorted(self.store.pieces.values(), key=lambda piece: piece.weight_in_lbs)
        return [{"size": piece.size, "weightInLbs": piece.weight_in_lbs} for piece in pieces]

    @attrs.computed
    def total_count(self) -> int:
        """The number of pieces."""
        return len(self.store.pieces)

    @attrs.computed
    def total_weight(self) -> int:
        """What all of it weighs, in lbs."""
        return sum(piece.weight_in_lbs for piece in self.store.pieces.values())


class SizeStore(Store):
    """The documents that the view of a size is computed from."""

    size = param(str)

    @reference(Luggage, many=True)
    def pieces(self) -> Query[Luggage]:
        return Luggage.where(size=self.size)


class SizeView(ViewModel):
    """All luggage of one size, whose ever it is, at ``luggageBySize/<size>``."""

    store: SizeStore

    class Meta:
        path = "luggageBySize/{size}"

    @attrs.computed
    def total_count(self) -> int:
        """The number of pieces."""
        return len(self.store.pieces)

    @attrs.computed
    def total_weight(self) -> int:
        """What all of them weigh, in lbs."""
        return sum(piece.weight_in_lbs for piece in self.store.pieces.values())
