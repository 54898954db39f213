"""Field paths in Firestore's own notation, as in masks, filters and orders."""

from __future__ import annotations

import re

__all__ = ["field_path", "read_field_path"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_PART = r"`(?:[^`\\]|\\.)+`|[^.`]+"
_PARTS = re.compile(_PART)
_PATH = re.compile(rf"(?:{_PART})(?:\.(?:{_PART}))*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")


def field_path(*names: str) -> str:
    """The path of these field names, one inside the other; unusual names are quoted.

    >>> field_path("address", "house number")
    'address.`house number`'

    :raises ValueError: no name is given, or an empty one.
    """
    if not names or not all(names):
        raise ValueError(f"a field path needs names that are not empty, not {names!r}")
    return ".".join(_quoted(name) for name in names)


def read_field_path(path: str) -> tuple[str, ...]:
    """The field names in a path: the inverse of :func:`field_path`.

    A name that is not quoted may have any characters but dots and backticks.

    >>> read_field_path("address.`house number`")
    ('address', 'house number')

    :raises ValueError: it is no path.
    """
    if not _PATH.fullmatch(path):
        raise ValueError(f'{path!r:.80} is not a field path such as "address.street"')
    return tuple(
        _ESCAPE.sub(r"\1", part[1:-1]) if part.startswith("`") else part
        for part in _PARTS.findall(path)
    )


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
