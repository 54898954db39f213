"""A storage in memory, and documents to keep in it."""

from __future__ import annotations

from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.local.embedded.storage.storage import Storage

WORLD = "projects/p/databases/(default)"
CODEC = Codec(None, WORLD)


def name_of(path: str) -> str:
    return f"{WORLD}/documents/{path}"


def value(plain: Any) -> Any:
    """A ``Value`` of protobuf."""
    return CODEC.encode_value(plain)


def document(path: str, **fields: Any) -> Any:
    """A ``Document`` of protobuf, without times."""
    made = protocol.Document(name=name_of(path))
    for name, plain in fields.items():
        made.fields[name].CopyFrom(value(plain))
    return made


def put(storage: Storage, path: str, **fields: Any) -> int:
    """Commit one document; the commit time."""
    return put_all(storage, {path: fields})


def put_all(storage: Storage, documents: dict[str, dict[str, Any]]) -> int:
    def work(staging: Any) -> None:
        for path, fields in documents.items():
            staging.put(document(path, **fields))

    return storage.commit(WORLD, work)[0]


def delete(storage: Storage, path: str) -> int:
    return storage.commit(WORLD, lambda staging: staging.delete(name_of(path)))[0]
