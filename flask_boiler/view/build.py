"""How a mediator calls ``new``: what it hands to which signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from flask_boiler.domain_model import DomainModel
from flask_boiler.errors import ConfigurationError
from flask_boiler.values import Snapshot
from flask_boiler.view_model import ViewModel, store_class

__all__ = ["builder_of"]


def builder_of(view_cls: type[ViewModel]) -> Callable[[Snapshot], ViewModel]:
    """What makes a view of its root's snapshot.

    A ``new`` of the class's own gets what it asks for by name: ``snapshot``, ``doc_id`` or
    ``doc_ref``; the inherited one gets the snapshot as the store's only root.

    :raises ConfigurationError: none of these fits.
    """
    new: Any = view_cls.new
    if new.__func__ is ViewModel.new.__func__:  # type: ignore[attr-defined]
        return _by_only_root(view_cls)
    parameters = inspect.signature(new).parameters
    if "snapshot" in parameters:
        return lambda snapshot: new(snapshot=snapshot)
    if "doc_id" in parameters:
        return lambda snapshot: new(doc_id=_key(view_cls, snapshot))
    if "doc_ref" in parameters:
        return lambda snapshot: new(doc_ref=snapshot.reference)
    raise ConfigurationError(
        f"{view_cls.__name__}.new takes neither snapshot, doc_id nor doc_ref, so a mediator "
        "cannot tell it which document the view is of"
    )


def _key(view_cls: type[ViewModel], snapshot: Snapshot) -> str:
    """What names a root for who looks it up by id: its path, if it lies below other documents."""
    store_cls = store_class(view_cls)
    roots = store_cls.roots()
    model: Any = store_cls.references()[roots[0]].model if len(roots) == 1 else None
    is_document = model is not None and issubclass(model, DomainModel)
    return model.key_of(snapshot.path) if is_document else snapshot.id


def _by_only_root(view_cls: type[ViewModel]) -> Callable[[Snapshot], ViewModel]:
    roots = store_class(view_cls).roots()
    if len(roots) != 1:
        raise ConfigurationError(
            f"{view_cls.__name__} has {len(roots)} roots ({', '.join(roots)}): a mediator hands "
            "in one; give the others a source, or define new(snapshot)"
        )
    root = roots[0]

    def build(snapshot: Snapshot) -> ViewModel:
        fed: dict[str, Any] = {root: snapshot}
        return view_cls.new(**fed)

    return build
