"""Field paths in Firestore's own notation, as masks, filters and orders take them."""

from __future__ import annotations

import re

__all__ = ["field_path"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def field_path(*names: str) -> str:
    """The path that leads through these field names; unusual names are quoted.

    >>> field_path("address", "house number")
    'address.`house number`'

    :raises ValueError: no name is given, or an empty one.
    """
    if not names or not all(names):
        raise ValueError(f"a field path needs names that are not empty, not {names!r}")
    return ".".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
