"""What an application does to a Firestore, through google-cloud-firestore, and how fast that is."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

__all__ = ["RESULT", "Load"]

RESULT = 10
_COMMIT_SIZE = 500
_READ_TOGETHER = 100
_WRITERS = 8
_KINDS = 10
#: A prime: steps of it visit all documents, in no order.
_STRIDE = 61_813


class Load:
    """One client of one Firestore; measures are in things done per second."""

    def __init__(self, host: str, project: str, documents: int) -> None:
        with _emulator_host(host):
            self.client: Any = firestore.Client(project=project, credentials=AnonymousCredentials())
            # It looks at the variable when it connects.
            list(self.client.collection("nothing").stream())
        self._documents = documents
        self._items = self.client.collection("items")
        self._numbers = itertools.count()

    def close(self) -> None:
        self.client.close()

    def write_all(self, collection: str, numbers: range) -> float:
        """Make documents, 500 to a commit; how many per second."""
        into = self.client.collection(collection)
        began_s = time.perf_counter()
        for start in range(0, len(numbers), _COMMIT_SIZE):
            batch = self.client.batch()
            for number in numbers[start : start + _COMMIT_SIZE]:
                batch.set(into.document(f"item-{number}"), item(number))
            batch.commit()
        return len(numbers) / (time.perf_counter() - began_s)

    def measures(self) -> dict[str, Callable[[float], float]]:
        """By name what can be measured for so many seconds, once all documents are there."""
        return {
            "single writes, 1 thread": lambda s: _rate(self._write_one, s),
            "single writes, 8 threads": self._write_from_threads,
            "single reads": lambda s: _rate(self._read_one, s),
            "batched reads (documents)": lambda s: _rate(self._read_many, s) * _READ_TOGETHER,
            "query ==": lambda s: _rate(self._query_equal, s),
            "query order_by limit": lambda s: _rate(self._query_in_order, s),
            "query == order_by limit": lambda s: _rate(self._query_equal_in_order, s),
        }

    def _write_one(self) -> None:
        number = next(self._numbers)
        self.client.document(f"single/item-{number}").set(item(number))

    def _write_from_threads(self, duration_s: float) -> float:
        with ThreadPoolExecutor(_WRITERS) as pool:
            return sum(pool.map(lambda _: _rate(self._write_one, duration_s), range(_WRITERS)))

    def _any(self) -> int:
        return next(self._numbers) * _STRIDE % self._documents

    def _read_one(self) -> None:
        assert self._items.document(f"item-{self._any()}").get().exists

    def _read_many(self) -> None:
        asked = [self._items.document(f"item-{self._any()}") for _ in range(_READ_TOGETHER)]
        assert all(found.exists for found in self.client.get_all(asked))

    def _query_equal(self) -> None:
        self._check(self._items.where(filter=FieldFilter("group", "==", self._any() // RESULT)))

    def _query_in_order(self) -> None:
        begin = item(self._any())["rank"] // 2
        query = self._items.where(filter=FieldFilter("rank", ">=", begin))
        self._check(query.order_by("rank").limit(RESULT))

    def _query_equal_in_order(self) -> None:
        query = self._items.where(filter=FieldFilter("kind", "==", self._any() % _KINDS))
        self._check(query.order_by("rank", direction="DESCENDING").limit(RESULT))

    @staticmethod
    def _check(query: Any) -> None:
        assert len(query.get()) == RESULT


def item(number: int) -> dict[str, Any]:
    """A document of six fields."""
    return {
        "name": f"item {number}",
        "group": number // RESULT,
        "kind": number % _KINDS,
        "rank": number * _STRIDE % 1_000_003,
        "price": number / 8,
        "tags": ["one", f"tag {number % 100}"],
    }


def _rate(action: Callable[[], None], duration_s: float) -> float:
    """How often per second it can be done, tried for so long, and once at least."""
    began_s = time.perf_counter()
    elapsed_s, count = 0.0, 0
    while elapsed_s < duration_s or not count:
        action()
        elapsed_s, count = time.perf_counter() - began_s, count + 1
    return count / elapsed_s


@contextmanager
def _emulator_host(host: str) -> Iterator[None]:
    """What tells google-cloud-firestore where to connect to, as all clients of emulators do."""
    before = os.environ.get("FIRESTORE_EMULATOR_HOST")
    os.environ["FIRESTORE_EMULATOR_HOST"] = host
    try:
        yield
    finally:
        del os.environ["FIRESTORE_EMULATOR_HOST"]
        if before is not None:
            os.environ["FIRESTORE_EMULATOR_HOST"] = before
