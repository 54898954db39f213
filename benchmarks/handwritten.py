"""What people write today: google's ``on_snapshot`` with a callback that calls ``set()``."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from google.cloud import firestore


def main() -> None:
    """``python -m benchmarks.handwritten HOST PROJECT``; ends when its input does."""
    host, project = sys.argv[1:3]
    os.environ["FIRESTORE_EMULATOR_HOST"] = host
    db = firestore.Client(project=project)
    current = threading.Event()

    def publish(snapshots: Any, changes: Any, read_time: Any) -> None:
        for change in changes:
            view_ref = db.collection("cityView").document(change.document.id)
            if change.type.name == "REMOVED":
                view_ref.delete()
                continue
            city = change.document.to_dict()
            view_ref.set(
                {
                    "obj_type": "CityView",
                    "doc_ref": view_ref.path,
                    "name": city["cityName"],
                    "country": city["country"],
                    "capital": city["capital"],
                    "population": city["population"],
                }
            )
        current.set()

    watch = db.collection("City").on_snapshot(publish)
    if not current.wait(30):
        sys.exit("the source collection did not become current within 30 s")
    print("ready", flush=True)
    sys.stdin.read()
    watch.unsubscribe()


if __name__ == "__main__":
    main()
