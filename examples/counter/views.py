"""The view that front ends read: the total, of which there is one."""

from __future__ import annotations

from examples.counter.models import Shard
from flask_boiler import Query, Store, ViewModel, attrs, reference

__all__ = ["CounterView"]


class CounterStore(Store):
    """The documents that the total is computed from. It has no root, so there is one view."""

    @reference(Shard, many=True)
    def shards(self) -> Query[Shard]:
        return Shard.all()


class CounterView(ViewModel):
    """The total of all shards, at ``counters/total``."""

    store: CounterStore

    class Meta:
        path = "counters/total"

    @attrs.computed
    def total_count(self) -> int:
        """How often was counted."""
        return sum(shard.count for shard in self.store.shards.values())
