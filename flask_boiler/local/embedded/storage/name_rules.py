"""The rules for names of databases, documents and fields: which ones Firestore takes."""

from __future__ import annotations

import re
from functools import lru_cache

from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.storage.document import split_name
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = [
    "check_collection_id",
    "check_document",
    "check_field_path",
    "check_parent",
    "check_world",
    "is_reserved",
    "is_too_long",
]

_WORLD = re.compile(r"projects/[^/]+/databases/[^/]+")
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_FIELD_PATH = re.compile(
    r"(?:[a-zA-Z_][a-zA-Z_0-9]*|`(?:[^`\\]|\\.)+`)"
    r"(?:\.(?:[a-zA-Z_][a-zA-Z_0-9]*|`(?:[^`\\]|\\.)+`))*",
    re.DOTALL,
)
_NUMERIC_ID = re.compile(r"__id(-?[1-9][0-9]*)__")
#: Bytes of an id, and of a field's path.
_LONGEST = 1500


def is_reserved(name: str) -> bool:
    """Whether a name is one of those that Firestore keeps for itself."""
    return name.startswith("__") and _RESERVED.fullmatch(name) is not None


def is_too_long(name: str, above: int = 0) -> bool:
    """Whether a name, or the path of a field, has more bytes than Firestore takes.

    :param above: the bytes of what comes before it in a path.
    """
    left = _LONGEST - above
    return len(name) * 4 > left and len(name.encode()) > left


def check_world(world: str) -> str:
    """Check the name of a database.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if not _WORLD.fullmatch(world):
        raise invalid(f'Database name "{world}" is not projects/PROJECT/databases/DATABASE.')
    return world


def check_document(name: str) -> str:
    """A document's full name; its path.

    :raises Refusal: INVALID_ARGUMENT.
    """
    world, path = split_name(name)
    if not path:
        raise invalid(
            f'Document name "{name}" is not projects/PROJECT/databases/DATABASE/documents/PATH.'
        )
    check_world(world)
    segments = path.split("/")
    if len(segments) % 2:
        raise invalid(f'Document name "{name}" names a collection.')
    # The collection is the same for many documents; the id is not.
    _check_collection("/".join(segments[:-1]))
    _check_segment(segments[-1], is_collection=False)
    return path


@lru_cache(maxsize=1024)
def _check_collection(path: str) -> None:
    for position, segment in enumerate(path.split("/")):
        _check_segment(segment, is_collection=position % 2 == 0)


def _check_segment(segment: str, *, is_collection: bool) -> None:
    kind = "Collection" if is_collection else "Resource"
    if segment in ("", ".", ".."):
        raise invalid(f'{kind} id "{segment}" is invalid.')
    if (
        segment.startswith("__")
        and is_reserved(segment)
        and (is_collection or not _is_numeric_id(segment))
    ):
        raise invalid(f'{kind} id "{segment}" is invalid because it is reserved.')
    if is_too_long(segment):
        raise invalid("The key path element name is longer than 1500 bytes.")


def _is_numeric_id(segment: str) -> bool:
    found = _NUMERIC_ID.fullmatch(segment)
    return found is not None and -(2**63) <= int(found[1]) < 2**63


def check_parent(name: str) -> tuple[str, str]:
    """The world and the path of a parent of collections: a document, or a database's documents.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if name.endswith("/documents") and name.count("/") == 4:
        return check_world(name.removesuffix("/documents")), ""
    path = check_document(name)
    return split_name(name)[0], path


def check_collection_id(collection_id: str) -> None:
    """Check the id of a collection.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if "/" in collection_id:
        raise invalid(f'Collection id "{collection_id}" is invalid because it contains "/".')
    _check_segment(collection_id, is_collection=True)


@lru_cache(maxsize=4096)
def check_field_path(path: str) -> None:
    """A field's path; ``__name__`` is one.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if not path:
        raise invalid("Invalid empty property path string.")
    if not _FIELD_PATH.fullmatch(path):
        raise invalid(
            f'Invalid property path "{path}". What is not [a-zA-Z_][a-zA-Z_0-9]* has to be quoted '
            "with backticks."
        )
    if is_too_long(path) and is_too_long(".".join(field_names(path))):
        raise invalid("property path is longer than 1500 bytes.")
    if "__" in path and path != "__name__":
        for name in field_names(path):
            if is_reserved(name):
                raise invalid(f"Invalid reserved name in field path {name}")
