"""The attributes that a class body declares by annotation."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from flask_boiler.attrs.type_source import TypeSource

__all__ = ["attribute_types", "is_annotated", "local_names"]

_ATTR_TEXT = re.compile(r"\s*(?:\w+\.)*Attr\s*(?:\[(?P<type>.*)\]\s*)?", re.DOTALL)


def attribute_types(cls: type, attribute_class: type) -> dict[str, TypeSource]:
    """The attributes that a class body declares by annotation: ``name: Attr[str]``.

    :param attribute_class: what ``Attr`` means.
    """
    found: dict[str, TypeSource] = {}
    for name, annotation in _own_annotations(cls).items():
        source = _argument(cls, annotation, attribute_class)
        if source is not None:
            found[name] = source
    return found


def is_annotated(cls: type, name: str) -> bool:
    """Whether the class, or one above it, annotates the name, as an attribute or otherwise."""
    return any(name in _own_annotations(each) for each in cls.__mro__)


def _own_annotations(cls: type) -> Mapping[str, Any]:
    """The annotations of a class body, as they stand there."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)


def local_names(cls: type, sources: Iterable[TypeSource]) -> dict[str, Any]:
    """The meanings of the names in these types, if the class statement stands in a function."""
    words = {word for source in sources for word in source.words()}
    if not words or "<locals>" not in cls.__qualname__:
        return {}
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    names: dict[str, Any] = {}
    while frame is not None and _in_function_of(cls, frame):
        # Only what is named, so that the class does not keep the function's world alive.
        for word in words & frame.f_locals.keys() - names.keys():
            names[word] = frame.f_locals[word]
        frame = frame.f_back
    return names


def _in_function_of(cls: type, frame: types.FrameType) -> bool:
    same_module = frame.f_globals.get("__name__") == cls.__module__
    return same_module and frame.f_locals is not frame.f_globals


def _argument(cls: type, annotation: Any, attribute_class: type) -> TypeSource | None:
    if isinstance(annotation, str):
        found = _argument_in_text(annotation)
        if found is not None:
            return found
        annotation = _evaluated(cls, annotation)
        if isinstance(annotation, str):
            # A text inside the text, as in `name: "Attr[str]"` under postponed evaluation.
            return _argument_in_text(annotation)
    if annotation is attribute_class:
        return TypeSource(Any)
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, attribute_class):
        return TypeSource(typing.get_args(annotation)[0])
    return None


def _argument_in_text(annotation: str) -> TypeSource | None:
    text = _ATTR_TEXT.fullmatch(annotation)
    return None if text is None else TypeSource(text["type"] or Any)


def _evaluated(cls: type, text: str) -> Any:
    """The value of an annotation that does not say ``Attr``: it may be another name for it."""
    module = sys.modules.get(cls.__module__)
    try:
        return eval(text, dict(vars(module)) if module else {})
    except Exception:
        # It names something that comes later, or is there for type checkers only: no attribute.
        return None
