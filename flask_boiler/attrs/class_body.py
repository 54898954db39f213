"""The body of a class statement while it is executed."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["body_decorating"]


def body_decorating(function: Any) -> dict[str, Any] | None:
    """The names in the class body that is decorating a function: what is put there, it defines.

    ``None`` if none is: the function is defined elsewhere, or it is a lambda, or it has its name in
    the class body already, so the decorator was called with it, and is not written above it.
    """
    owner, _, name = getattr(function, "__qualname__", "").rpartition(".")
    if not owner or owner.endswith("<locals>") or not name.isidentifier():
        return None
    module = getattr(function, "__module__", None)
    frame = inspect.currentframe()
    while frame is not None:
        # The code object tells a class body cheaply; the names of a function would be copied.
        if frame.f_code.co_qualname == owner and frame.f_globals.get("__name__") == module:
            names: dict[str, Any] = frame.f_locals
            called = names.get(name) is function
            return names if names.get("__qualname__") == owner and not called else None
        frame = frame.f_back
    return None
