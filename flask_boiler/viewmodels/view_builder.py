"""Building views of one document each: which ``new`` is called with what.

Whatever builds a view asks here, so that what one mediator refuses no other takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from types import MethodType
from typing import Any, Generic, TypeVar

from flask_boiler.errors import ConfigurationError, UnknownModelError
from flask_boiler.ground.callbacks import require_plain
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class

__all__ = [
    "TAKEN_FROM_DOCUMENT",
    "ViewBuilder",
    "only_root",
    "own_parameters",
    "require_no_more_than_root",
    "require_one_root",
    "require_root_of",
]

V = TypeVar("V", bound=ViewModel)

#: The parameters of a ``new`` that a mediator fills from the document that the view is about.
TAKEN_FROM_DOCUMENT = ("snapshot", "doc_id", "doc_ref")


class ViewBuilder(Generic[V]):
    """Builds the views of one class, each of the document that it is about.

    A ``new`` of the class's own gets what it asks for by name: ``snapshot``, ``doc_id`` or
    ``doc_ref``; the inherited one gets the snapshot as the store's only root.

    :param further: what whoever builds hands in besides the document, by name.
    :raises ConfigurationError: ``new`` cannot be called so, or the class is no view model.
    """

    def __init__(self, view_cls: type[V], further: Collection[str] = ()) -> None:
        parameters = own_parameters(view_cls)
        #: Makes the view of a snapshot, and of what is handed in besides.
        self.build: Callable[..., V] = (
            _by_only_root(view_cls)
            if parameters is None
            else _by_own_new(view_cls, parameters, further)
        )


def own_parameters(view_cls: type[ViewModel]) -> Mapping[str, inspect.Parameter] | None:
    """The parameters of the class's own ``new``, by name; ``None`` if it has the inherited one.

    :raises ConfigurationError: it cannot be called on the class, or not by names.
    """
    store_class(view_cls)
    if not has_own_new(view_cls):
        return None
    new: Any = view_cls.new
    where = f"{view_cls.__name__}.new"
    declared = inspect.getattr_static(view_cls, "new")
    if not isinstance(declared, classmethod | staticmethod | MethodType):
        raise ConfigurationError(f"{where} is not a class method: write @classmethod above it")
    # One that the class was given later is not looked at when the class is declared.
    require_plain(declared, where)
    parameters = inspect.signature(new).parameters.values()
    unnamed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if unnamed:
        raise ConfigurationError(
            f"{where} takes {', '.join(unnamed)} by position only, and a mediator passes them by "
            "name: remove the slash from its parameters"
        )
    return {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def only_root(view_cls: type[ViewModel]) -> str:
    """The name of the only root of a view that has the inherited ``new``, and is of that alone.

    :raises ConfigurationError: its store has none, or several, or it is of something else, too.
    """
    store_cls = store_class(view_cls)
    if not store_cls.declared_slots():
        raise ConfigurationError(
            f"{view_cls.__name__} has no store to be computed from, and so 0 roots: annotate "
            "one, as in 'store: CityStore', or define new(snapshot)"
        )
    roots = store_cls.roots()
    require_one_root(view_cls)
    others = [slot.name for slot in store_cls.subject_slots() if slot.name not in roots]
    if others:
        raise ConfigurationError(
            f"{view_cls.__name__} is of {', '.join([*roots, *others])}, and one document says "
            f"only which {roots[0]} it is"
        )
    return roots[0]


def require_one_root(view_cls: type[ViewModel]) -> None:
    """Check that a view's store has one root.

    :raises ConfigurationError: it has none, or several.
    """
    roots = store_class(view_cls).roots()
    if len(roots) == 1:
        return
    said = f"{view_cls.__name__} has {len(roots)} roots ({', '.join(roots) or 'none'})"
    if has_own_new(view_cls):
        raise ConfigurationError(
            f"{said}, so an id is not enough to name a view: annotate `store` with a Store that "
            "has one root(), or write the method yourself"
        )
    raise ConfigurationError(
        f"{said}: a mediator passes one document. Declare one root() in the store, give other "
        "references a source, or define new(snapshot)"
    )


def require_no_more_than_root(view_cls: type[ViewModel], further: Collection[str] = ()) -> None:
    """Check that a ``new`` of the class's own is handed in all that the view is of.

    :param further: what it is handed in besides a document, by name.
    :raises ConfigurationError: the store has an ``each`` or a parameter besides.
    """
    store_cls = store_class(view_cls)
    handed_in = {*store_cls.roots(), *further}
    unsaid = [slot.name for slot in store_cls.subject_slots() if slot.name not in handed_in]
    if unsaid:
        raise ConfigurationError(
            f"{view_cls.__name__} has a new() of its own, which is called with one document, and a "
            f"view of {store_cls.__name__} is of {', '.join(unsaid)} besides: remove new(), or "
            "annotate `store` with a Store that has no each() and no param()"
        )


def require_root_of(view_cls: type[ViewModel], query: Any, name: str | None = None) -> None:
    """Check that what a query finds can be the root of a view.

    Google's own query, and a ``new`` of the class's own, do not say which model it is.

    :param name: of the root, if the view is not of one root alone.
    :raises ConfigurationError: it is of another model, which lies elsewhere; or it is what would
        give a query.
    """
    if isinstance(query, type) or inspect.isroutine(query):
        of = getattr(query, "__self__", None)
        given = f"{of.__name__}.{query.__name__}" if isinstance(of, type) else query.__name__
        how = ".get_query()" if isinstance(query, type) else "()"
        raise ConfigurationError(
            f"query= of {view_cls.__name__} is {given} itself, and no query: write {given}{how}"
        )
    if not isinstance(query, Query) or has_own_new(view_cls):
        return
    store_cls = store_class(view_cls)
    name = name or only_root(view_cls)
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
            f"store a root({found.__name__})"
        )


def _collection_id(model: type[DomainModel]) -> str | None:
    segments = model.collection_segments()
    return segments[-1] if segments else None


def _by_only_root(view_cls: type[V]) -> Callable[..., V]:
    root = only_root(view_cls)

    def build(snapshot: Snapshot) -> V:
        fed: dict[str, Any] = {root: snapshot}
        return view_cls.new(**fed)

    return build


def _by_own_new(
    view_cls: type[V], parameters: Mapping[str, inspect.Parameter], further: Collection[str]
) -> Callable[..., V]:
    require_no_more_than_root(view_cls, further)
    new: Any = view_cls.new
    required = [name for name, p in parameters.items() if p.default is p.empty]
    wanted = [name for name in TAKEN_FROM_DOCUMENT if name in parameters]
    if not wanted:
        raise ConfigurationError(
            f"{view_cls.__name__}.new takes neither snapshot, doc_id nor doc_ref, so a mediator "
            "cannot say which document the view is about"
        )
    missing = [name for name in required if name not in wanted and name not in further]
    if missing:
        raise ConfigurationError(
            f"{view_cls.__name__}.new needs {', '.join(missing)} besides {wanted[0]}, which a "
            "mediator does not have: give it a default"
        )
    # One of them says it all; the others are for whoever asks for them in any case.
    given = [name for name in wanted if name == wanted[0] or name in required]
    if given == ["snapshot"]:
        return lambda snapshot, **others: new(snapshot=snapshot, **others)
    return lambda snapshot, **others: new(
        **{name: _taken(name, view_cls, snapshot) for name in given}, **others
    )


def _taken(name: str, view_cls: type[ViewModel], snapshot: Snapshot) -> Any:
    """The argument of ``new`` that is taken from the document."""
    if name == "snapshot":
        return snapshot
    return _key(view_cls, snapshot) if name == "doc_id" else snapshot.reference


def _key(view_cls: type[ViewModel], snapshot: Snapshot) -> str:
    """The name of a root for who looks it up by id: its path, if it lies below other documents."""
    store_cls = store_class(view_cls)
    roots = store_cls.roots()
    if len(roots) == 1:
        model = store_cls.references()[roots[0]].model
        if model is not None and issubclass(model, DomainModel):
            return model.key_of(snapshot.path)
    return snapshot.id
