"""The refusal of views that read each other in a circle, before they run."""

from __future__ import annotations

from collections.abc import Iterable

from flask_boiler.errors import CyclicViewError
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["refuse_cycles"]


def refuse_cycles(views: Iterable[type[ViewModel]]) -> None:
    """Check what views read through references to other views.

    :raises CyclicViewError: naming the circle.
    """
    for view in views:
        _walk(view, [])


def _walk(view: type[ViewModel], trail: list[type[ViewModel]]) -> None:
    if view in trail:
        circle = [*trail[trail.index(view) :], view]
        names = " reads ".join(cls.__name__ for cls in circle)
        raise CyclicViewError(
            f"views read each other in a circle: {names}; remove one of these references"
        )
    for slot in store_class(view).references().values():
        if isinstance(slot.model, type) and issubclass(slot.model, ViewModel):
            _walk(slot.model, [*trail, view])
