"""Checks of references: whether their documents exist, and are of the classes that are meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.attributed import Attributed, Link
from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.context.context import current_context
from flask_boiler.errors import StoredDataError, UnknownModelError
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, MomentReader, current_reader
from flask_boiler.ground.values import Snapshot

__all__ = ["require_existing", "require_referred"]


def require_referred(attribute: Attr[Any], value: Any) -> None:
    """Check the documents that a value from outside refers to, as the attribute asks for it.

    :raises Mismatch: one is missing that has to be there, or is of another class.
    """
    require_existing(attribute.required_paths(value), None)
    _require_classes(attribute.links_in(value))


def require_existing(references: Iterable[tuple[str, str]], reader: Reader | None) -> None:
    """Check that documents exist; in a transaction, its commit verifies it.

    :param references: names, for the messages, and paths.
    :param reader: what they are read through; ``None`` for what is in force.
    :raises Mismatch: naming each reference whose document is missing.
    """
    known = list(references)
    if not known:
        return
    through = reader or current_reader() or DirectReader(current_context().datastore)
    found = through.documents(list(dict.fromkeys(path for _, path in known)))
    missing = {
        name: [f"There is no document {path}."] for name, path in known if not found[path].exists
    }
    if missing:
        raise Mismatch(missing)


def _require_classes(links: Iterable[Link]) -> None:
    """Check that the documents which are there are of the classes that are asked for.

    One that is missing may come later, and is then looked at when it is read.

    :raises Mismatch: naming each link that leads to a document of another class.
    """
    known = list(links)
    if not known:
        return
    reader = current_reader() or MomentReader(current_context().datastore)
    found = reader.documents(list(dict.fromkeys(link.path for link in known)))
    wrong = {
        link.name: [f"{link.path} is no {link.target.__name__}."]
        for link in known
        if not _fits(found[link.path], link.target)
    }
    if wrong:
        raise Mismatch(wrong)


def _fits(snapshot: Snapshot, target: type[Attributed]) -> bool:
    try:
        if snapshot.exists:
            target._class_of_stored(snapshot.fields, snapshot.path)
    except (UnknownModelError, StoredDataError):
        return False
    return True
