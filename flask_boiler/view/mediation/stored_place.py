"""Where a stored view is, told from its root's id alone."""

from __future__ import annotations

import string

from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_root import ViewRoot

__all__ = ["stored_place"]


def stored_place(root: ViewRoot[ViewModel], doc_id: str) -> str | None:
    """The path of the view's document; ``None`` if that takes more than the id to tell.

    It follows from a ``Meta.path`` whose only fields are the root's ``doc_id``. What ``doc_ref``
    or ``doc_refs`` say in code may depend on anything.
    """
    view_cls = root.view_cls
    template: str | None = view_cls.meta("path")
    in_code = any(
        getattr(view_cls, name) is not getattr(ViewModel, name) for name in ("doc_ref", "doc_refs")
    )
    if template is None or in_code or root.model.keyed_by_path():
        # Of two roots with one id, the place is the one's or the other's.
        return None
    parts = list(string.Formatter().parse(template))
    fields = [(field, spec, how) for _, field, spec, how in parts if field is not None]
    if any(field != (f"{root.name}.doc_id", "", None) for field in fields):
        return None
    return "".join(
        literal + (doc_id if field is not None else "") for literal, field, _, _ in parts
    )
