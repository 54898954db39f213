"""The domain model: a shard, which has a part of the count."""

from __future__ import annotations

import random

from google.cloud.firestore import Increment

from flask_boiler import CTX, Attr, DomainModel, attrs

__all__ = ["SHARDS", "Shard", "count"]

#: Firestore takes about one write of a document a second; so many shards take so many.
SHARDS = 10


class Shard(DomainModel):
    """A part of the count."""

    count: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "shards"


def count(by: int = 1) -> None:
    """Count, in one of the shards; nothing is read, so nobody waits for anybody."""
    shard = Shard.new(doc_id=str(random.randrange(SHARDS)))
    CTX.db.document(shard.doc_path).set({"count": Increment(by)}, merge=True)
