"""The registry of models: the class that an ``obj_type`` or a class name means.

Classes are held weakly, so those of a test or a reload go away with their last use.

An ``obj_type`` is looked up among the classes at or below the one that is asked. So two classes
*clash* if they have the same one and descend from the same class of the application, or are
declared side by side, in one module, for one collection. Unrelated classes may have the same
name, as two applications in one process will that both have a ``City``: each reads documents
as its own. Only what asks ``DomainModel`` itself for whatever a document is then has to be told
more, by the collection if that is different; if not, the lookup says which classes it found.

A class that is defined again under the same module and qualified name (a reload, an
interactive session, a function that makes classes) replaces the earlier one.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from typing import TypeVar

from flask_boiler.attrs.attributed import Attributed
from flask_boiler.errors import DuplicateModelError, UnknownModelError
from flask_boiler.ground.naming import nearest

__all__ = [
    "descendants",
    "find",
    "is_known",
    "models",
    "register",
    "resolve",
    "version",
    "withdraw",
]

A = TypeVar("A", bound=Attributed)

_by_type_name: dict[str, list[weakref.ref[type[Attributed]]]] = {}
#: How many classes were registered and withdrawn so far.
_changes = {"count": 0}


def register(model: type[Attributed]) -> None:
    """Make a class known under its ``obj_type``.

    :raises DuplicateModelError: another class could own the same documents.
    """
    names = model.own_type_names()
    for name in names:
        _forget_replaced(name, model)
        _refuse_rival(name, model)
    for name in names:
        _by_type_name.setdefault(name, []).append(weakref.ref(model))
    _changes["count"] += 1


def _refuse_rival(name: str, model: type[Attributed]) -> None:
    rival = _rival(name, model)
    if rival is not None:
        # A class is always part of a reference cycle: one that nobody uses any more is still
        # there until the collector has run.
        rival = None
        gc.collect()
        rival = _rival(name, model)
    if rival is not None:
        raise DuplicateModelError(_complaint(name, model, rival))


def withdraw(model: type[Attributed]) -> None:
    """Forget a class whose declaration is refused after all."""
    for name in model.own_type_names():
        _by_type_name[name] = [weakref.ref(m) for m in _alive(name) if m is not model]
    _changes["count"] += 1


def models() -> list[type[Attributed]]:
    """The registered classes."""
    return list(dict.fromkeys(m for name in list(_by_type_name) for m in _alive(name)))


def version() -> int:
    """A number that grows whenever a class is registered, or its declaration withdrawn."""
    return _changes["count"]


def descendants(model: type[A]) -> list[type[A]]:
    """The registered classes at or below this one, in the order of their declaration."""
    found: dict[type[A], None] = {}
    waiting: list[type[A]] = [model]
    while waiting:
        candidate = waiting.pop(0)
        if candidate not in found and _is_registered(candidate):
            found[candidate] = None
        waiting.extend(candidate.__subclasses__())
    return list(found)


def resolve(
    asked: type[A], type_name: str, *, where: str = "", collection: str | None = None
) -> type[A]:
    """The class at or below ``asked`` that has this ``obj_type``.

    :param collection: the id of the collection that the document lies in, which decides between
        unrelated classes of that name.
    :raises UnknownModelError: there is none, or it cannot be told which.
    """
    if type_name in asked.own_type_names():
        return asked
    fitting = [m for m in _alive(type_name) if issubclass(m, asked)]
    if len(fitting) > 1:
        fitting = [m for m in fitting if m._collection_id() == collection] or fitting
    if len(fitting) == 1:
        return fitting[0]
    raise UnknownModelError(_unresolved(asked, type_name, fitting, where))


def is_known(type_name: str, *, collection: str | None = None) -> bool:
    """Whether a class has this ``obj_type``.

    :param collection: one whose documents lie in collections of this id.
    """
    concrete = [model for model in _alive(type_name) if not model.meta("abstract")]
    return any(collection in (None, model._collection_id()) for model in concrete)


def find(name: str, *, near: type | None = None) -> type[Attributed]:
    """The class of this name; of several, the one from the module of ``near``.

    :raises UnknownModelError: there is none, or several elsewhere.
    """
    alive = dict.fromkeys(ref() for refs in _by_type_name.values() for ref in refs)
    named = [m for m in alive if m is not None and name in (m.__name__, m.__qualname__)]
    if len(named) > 1 and near is not None:
        named = [model for model in named if model.__module__ == near.__module__] or named
    if len(named) == 1:
        return named[0]
    asker = f"{near.__qualname__} refers to" if near else "There is"
    if not named:
        raise UnknownModelError(
            f"{asker} {name!r}, and no model of this name is declared{nearest(name, _names())}: "
            "import its module first"
        )
    raise UnknownModelError(
        f"{asker} {name!r}, and there are several: {_listed(named)}. Give the class itself"
    )


def _names() -> list[str]:
    return [model.__name__ for refs in _by_type_name.values() for r in refs if (model := r())]


def _alive(name: str) -> list[type[Attributed]]:
    refs = [ref for ref in _by_type_name.get(name, ()) if ref() is not None]
    if refs:
        _by_type_name[name] = refs
    else:
        _by_type_name.pop(name, None)
    return [model for ref in refs if (model := ref()) is not None]


def _is_registered(model: type[Attributed]) -> bool:
    return any(known is model for known in _alive(model.type_name()))


def _forget_replaced(name: str, model: type[Attributed]) -> None:
    kept = [known for known in _alive(name) if not _same_place(known, model)]
    _by_type_name[name] = [weakref.ref(known) for known in kept]


def _same_place(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _rival(name: str, model: type[Attributed]) -> type[Attributed] | None:
    scopes = model._scopes()
    return next((known for known in _alive(name) if scopes & known._scopes()), None)


def _complaint(name: str, model: type[Attributed], rival: type[Attributed]) -> str:
    return (
        f"{_spelled(model)} has the obj_type {name!r}, as {_spelled(rival)} has, so a document "
        "could belong to both: rename one of them, or give it another Meta.obj_type, Meta.was or "
        "Meta.collection_name"
    )


def _unresolved(asked: type[A], type_name: str, fitting: list[type[A]], where: str) -> str:
    subject = f"{where} has the obj_type {type_name!r}" if where else f"obj_type {type_name!r}"
    if fitting:
        return (
            f"{subject}, and there are several classes with it: {_listed(fitting)}. Use one of "
            "these"
        )
    others = _alive(type_name)
    if others:
        return f"{subject}, and {_spelled(others[0])} is not a subclass of {_spelled(asked)}"
    return (
        f"{subject}, and no such class is declared at or below {_spelled(asked)}: import the "
        "module that declares it, or correct the document"
    )


def _spelled(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _listed(models: Iterable[type]) -> str:
    return ", ".join(_spelled(model) for model in models)
