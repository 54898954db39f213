"""The places where no view may be kept: where domain documents lie, or the framework's.

What ``Meta.path`` says is compared when the view is declared, when a mediator is made for it and
when that starts, for a model may be declared after the view. What a ``doc_ref`` says in code is
compared when it is known.
"""

from __future__ import annotations

import gc
import string
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_boiler.attrs import registry
from flask_boiler.errors import DeclarationError
from flask_boiler.ground.naming import FRAMEWORK_PREFIX
from flask_boiler.ground.values import HasPath
from flask_boiler.models.collection import CollectionModel

__all__ = ["fault_of_place", "literal_places", "require_free"]

#: Stands for what a placeholder will be; no name contains it.
_ANY = "\0"

#: The models of collections, by how long the path is and how it ends.
_Collections = dict[tuple[int, str], list[tuple[list[str], weakref.ref[type[Any]]]]]


class _Index:
    """The collections of all models that are declared, made again when more are."""

    def __init__(self) -> None:
        self._version = -1
        self._collections: _Collections = {}

    def find(self, collection: Sequence[str]) -> type[Any] | None:
        """The model whose collection this surely is, if there is one."""
        version = registry.version()
        if version != self._version:
            self._collections = _collections()
            self._version = version
        for pattern, ref in self._collections.get((len(collection), collection[-1]), ()):
            model = ref()
            if model is not None and _is_in(collection, pattern):
                return model
        return None


_index = _Index()


def require_free(template: str, said: str) -> None:
    """Check that a path, with or without placeholders, is nobody else's.

    :param said: who says so: what the error begins with.
    :raises DeclarationError: it is in a collection of a domain model or of the framework.
    """
    fault = _fault(_segments(template))
    if fault is not None:
        # A class that nobody uses any more is still there until the collector has run.
        gc.collect()
        fault = _fault(_segments(template))
    if fault is not None:
        raise DeclarationError(f"{said} is {template!r}, {fault}")


def fault_of_place(place: str) -> str | None:
    """The fault of a place, as the end of a sentence; ``None`` if it has none."""
    return _fault(place.split("/"))


def literal_places(said: object) -> list[str]:
    """The paths among what a class says of its places, where it says them outright."""
    if isinstance(said, str):
        return [said]
    if isinstance(said, Mapping):
        said = list(said.values())
    if isinstance(said, Iterable):
        return [path for each in said for path in literal_places(each)]
    return [said.path] if isinstance(said, HasPath) and isinstance(said.path, str) else []


def _fault(segments: Sequence[str]) -> str | None:
    collection = segments[:-1]
    if not collection:
        return None
    reserved = next((name for name in segments[::2] if name.startswith(FRAMEWORK_PREFIX)), None)
    if reserved is not None:
        return (
            f"and collections whose names begin with {FRAMEWORK_PREFIX!r} are reserved for the "
            "framework: give the view another place"
        )
    model = _index.find(collection)
    if model is None:
        return None
    return (
        f"where the documents of {model.__name__} are: a view there would replace them. Give the "
        "view a collection of its own"
    )


def _segments(template: str) -> list[str]:
    parts = string.Formatter().parse(template)
    text = "".join(literal + ("" if field is None else _ANY) for literal, field, _, _ in parts)
    return text.split("/")


def _is_in(collection: Sequence[str], pattern: Sequence[str]) -> bool:
    pairs = zip(collection, pattern, strict=True)
    # What a placeholder will be may be the name in question, and may not.
    return all(known in ("*", said) for said, known in pairs)


def _collections() -> _Collections:
    found: _Collections = {}
    for model in registry.models():
        if issubclass(model, CollectionModel):
            segments = model.collection_segments()
            if segments is not None:
                known = found.setdefault((len(segments), segments[-1]), [])
                known.append((segments, weakref.ref(model)))
    return found
