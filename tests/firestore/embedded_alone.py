"""A program: the embedded server in a process that has four modules of the package besides it.

It starts the server, writes, reads and listens with google-cloud-firestore, stops the server, and
says which modules of the package it has loaded, and which threads of the server are left.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

SERVER = "flask_boiler.local.embedded"
TIMEOUT_S = 30


class Refusing(MetaPathFinder):
    """Finds no module of the package but the server's, those that are allowed, and their rooms."""

    def __init__(self, allowed: set[str]) -> None:
        self._allowed = allowed

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        is_ours = f"{fullname}.".startswith("flask_boiler.")
        is_room = any(f"{name}.".startswith(f"{fullname}.") for name in {*self._allowed, SERVER})
        if is_ours and not is_room and not fullname.startswith(f"{SERVER}."):
            raise ImportError(f"{fullname} is none of the server's")
        return None


def main(allowed: set[str]) -> None:
    sys.meta_path.insert(0, Refusing(allowed))
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import firestore

    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore

    with EmbeddedFirestore() as server:
        os.environ["FIRESTORE_EMULATOR_HOST"] = server.host
        client = firestore.Client(project="demo", credentials=AnonymousCredentials())
        written, listened = client.document("cities/SF"), threading.Event()

        def hear(found: Any, changes: Any, read_time: Any) -> None:
            if found:
                listened.set()

        watch = client.collection("cities").on_snapshot(hear)
        written.set({"name": "San Francisco", "people": 1})
        query = client.collection("cities").where(filter=firestore.FieldFilter("people", ">", 0))
        names = [document.get("name") for document in query.stream()]
        heard = listened.wait(TIMEOUT_S)
        watch.close()
        client.close()
    ours = sorted(name for name in sys.modules if name.startswith("flask_boiler."))
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("embedded")]
    said = {"names": names, "heard": heard, "modules": ours, "threads": left}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(set(sys.argv[1:]))
