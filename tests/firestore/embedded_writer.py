"""Commits as fast as it can until it is killed; test_embedded_durability.py runs this.

Every commit writes one number into several documents. A number is printed when its commit was
acknowledged.
"""

from __future__ import annotations

import itertools
import sys
import threading

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.storage import Storage

WORLD = "projects/p/databases/(default)"
DOCUMENTS = 5
WRITERS = 2


def name_of(writer: int, document: int) -> str:
    return f"{WORLD}/documents/writer{writer}/d{document}"


def _write(storage: Storage, writer: int, printing: threading.Lock) -> None:
    def work(staging: Staging) -> int:
        found = staging.document(name_of(writer, 0))
        number = 1 + (found.message.fields["number"].integer_value if found else 0)
        for document in range(DOCUMENTS):
            made = protocol.Document(name=name_of(writer, document))
            made.fields["number"].integer_value = number
            # Grows and shrinks, so that commits span many pages.
            made.fields["filling"].string_value = "x" * (number * 997 % 20_000)
            staging.put(made)
        return number

    for _ in itertools.count():
        _, number = storage.commit(WORLD, work)
        with printing:
            print(writer, number, flush=True)


def main() -> None:
    storage = Storage(sys.argv[1])
    printing = threading.Lock()
    for writer in range(WRITERS):
        threading.Thread(target=_write, args=(storage, writer, printing)).start()


if __name__ == "__main__":
    main()
