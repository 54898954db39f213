"""The body of a class statement while it is executed."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["body_decorating"]


def body_decorating(function: Any) -> dict[str, Any] | None:
    """The names of the class body that defines a function, while a decorator there is applied.

    ``None`` for any other function: one that is defined elsewhere, or has its name already, or has
    none. A name that is assigned to what is returned is one in the class body.
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
