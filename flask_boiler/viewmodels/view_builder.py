"""How a mediator calls ``new``: what it hands to which signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from flask_boiler.ground.errors import ConfigurationError, UnknownModelError
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["builder_of", "require_root_of"]


def builder_of(view_cls: type[ViewModel]) -> Callable[[Snapshot], ViewModel]:
    """What makes a view of its root's snapshot.

    A ``new`` of the class's own gets what it asks for by name: ``snapshot``, ``doc_id`` or
    ``doc_ref``; the inherited one gets the snapshot as the store's only root.

    :raises ConfigurationError: none of these fits, or the class is no view model.
    """
    store_cls = store_class(view_cls)
    new: Any = view_cls.new
    if new.__func__ is ViewModel.new.__func__:  # type: ignore[attr-defined]
        return _by_only_root(view_cls, store_cls)
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


def require_root_of(view_cls: type[ViewModel], query: Any) -> None:
    """Check that what a query finds can be the root of a view.

    Google's own query, and a ``new`` of the class's own, do not say which model it is.

    :raises ConfigurationError: it is of another model, which lies elsewhere.
    """
    new: Any = view_cls.new
    if not isinstance(query, Query) or new.__func__ is not ViewModel.new.__func__:  # type: ignore[attr-defined]
        return
    store_cls = store_class(view_cls)
    [name] = store_cls.roots()
    try:
        root: Any = store_cls.references()[name].model
    except UnknownModelError:
        # It may be declared later.
        return
    found: Any = query.model_cls
    if root is None or not issubclass(root, DomainModel) or issubclass(found, root):
        return
    if not issubclass(root, found) and _collection_id(root) != _collection_id(found):
        raise ConfigurationError(
            f"{view_cls.__name__} is the view of a {root.__name__} ({store_cls.__name__}.{name}), "
            f"and the query finds {found.__name__}: give it {root.__name__}.get_query(), or the "
            f"store a root that is a reference({found.__name__})"
        )


def _collection_id(model: type[DomainModel]) -> str | None:
    segments = model.collection_segments()
    return segments[-1] if segments else None


def _key(view_cls: type[ViewModel], snapshot: Snapshot) -> str:
    """What names a root for who looks it up by id: its path, if it lies below other documents."""
    store_cls = store_class(view_cls)
    roots = store_cls.roots()
    model: Any = store_cls.references()[roots[0]].model if len(roots) == 1 else None
    is_document = model is not None and issubclass(model, DomainModel)
    return model.key_of(snapshot.path) if is_document else snapshot.id


def _by_only_root(
    view_cls: type[ViewModel], store_cls: type[Store]
) -> Callable[[Snapshot], ViewModel]:
    roots = store_cls.roots()
    if not store_cls.references():
        raise ConfigurationError(
            f"{view_cls.__name__} has no store to be computed from: annotate it, as in "
            "'store: CityStore', or define new(snapshot)"
        )
    if len(roots) != 1:
        raise ConfigurationError(
            f"{view_cls.__name__} has {len(roots)} roots ({', '.join(roots) or 'none'}): a "
            "mediator hands in one, which is a reference of the store without a source; give the "
            "others a source, or define new(snapshot)"
        )
    root = roots[0]

    def build(snapshot: Snapshot) -> ViewModel:
        fed: dict[str, Any] = {root: snapshot}
        return view_cls.new(**fed)

    return build
