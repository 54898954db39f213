"""How many bytes an update of a WebSocket view takes: whole value, JSON Patch, merge patch.

::

    python -m benchmarks.update_bytes

Plain, and deflated as permessage-deflate does it with a context that lasts as long as the
connection. Nothing is measured but lengths, so the figures are the same everywhere.
"""

from __future__ import annotations

import copy
import json
import random
import string
import zlib
from collections.abc import Callable
from typing import Any

from flask_boiler.view.socketio.deltas import json_patch, merge_patch

__all__ = ["average_bytes"]

UPDATES = 500

Edit = Callable[[Any], None]


def main() -> None:
    print(json.dumps({name: average_bytes(*world) for name, world in _worlds().items()}, indent=2))


def average_bytes(value: Any, edit: Edit, updates: int = UPDATES) -> dict[str, float]:
    """The average length of an update in each form."""
    sent: dict[str, list[str]] = {"full": [], "json-patch": [], "merge-patch": []}
    for _ in range(updates):
        before = copy.deepcopy(value)
        edit(value)
        sent["full"].append(_text(value))
        sent["json-patch"].append(_text(json_patch(before, value)))
        try:
            sent["merge-patch"].append(_text(merge_patch(before, value)))
        except ValueError:
            sent["merge-patch"].append(_text(value))
    plain = {form: sum(map(len, texts)) / updates for form, texts in sent.items()}
    deflated = {f"{form}, deflated": _deflated(texts) / updates for form, texts in sent.items()}
    return {form: round(length, 1) for form, length in {**plain, **deflated}.items()}


def _deflated(texts: list[str]) -> int:
    stream = zlib.compressobj(wbits=-15)
    total = 0
    for text in texts:
        compressed = stream.compress(text.encode()) + stream.flush(zlib.Z_SYNC_FLUSH)
        # RFC 7692 leaves out the marker at the end.
        total += len(compressed) - 4
    return total


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _worlds() -> dict[str, tuple[Any, Edit]]:
    rng = random.Random(1)

    def words(count: int) -> list[str]:
        return ["".join(rng.choices(string.ascii_lowercase, k=12)) for _ in range(count)]

    people = {
        name: {"displayName": name.title(), "attending": False, "aids": []} for name in words(50)
    }
    names = list(people)
    rows = [{"id": number, "name": name, "score": 0} for number, name in enumerate(words(500))]

    def count(value: Any) -> None:
        value["count"] += 1

    def attend(value: Any) -> None:
        person = value["users"][rng.choice(names)]
        person["attending"] = not person["attending"]

    def score(value: Any) -> None:
        rng.choice(value["rows"])["score"] += 1

    def post(value: Any) -> None:
        value["feed"].insert(0, {"id": rng.randrange(10**9), "text": " ".join(words(8))})
        del value["feed"][30:]

    return {
        "a counter": ({"title": "Board", "count": 0}, count),
        "a meeting of 50 people": ({"status": "in-session", "users": people}, attend),
        "a table of 500 rows": ({"rows": rows}, score),
        "the 30 newest posts": ({"feed": []}, post),
    }


if __name__ == "__main__":
    main()
