"""The attributes of a store's documents that those of a view pass through to."""

from __future__ import annotations

import inspect
from typing import Any

from flask_boiler.attrs.kinds.scalar_kinds import ScalarKind
from flask_boiler.attrs.through import PassedThrough, ThroughAttr
from flask_boiler.errors import DeclarationError, UnknownModelError
from flask_boiler.ground.naming import nearest
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.reference import Reference
from flask_boiler.viewmodels.store import Store

__all__ = ["check_passing_through", "slot_attribute"]


def check_passing_through(view_cls: type[Any]) -> None:
    """Check what the attributes of a view pass through to, as far as it is declared already.

    :raises DeclarationError: there is no such slot or attribute.
    """
    for attribute in vars(view_cls).values():
        if isinstance(attribute, ThroughAttr):
            try:
                _check_type(attribute)
            except UnknownModelError:
                # Of a class that may be declared later: said when it is first read.
                continue
            except DeclarationError as error:
                if not isinstance(error.__cause__, NameError):
                    raise
                # The same of the store.


def _check_type(attribute: ThroughAttr[Any]) -> None:
    target, own = attribute.target, attribute.kind
    if not attribute.is_unchanged or not isinstance(own, ScalarKind):
        return
    if isinstance(target.kind, ScalarKind) and not set(own.types) & set(target.kind.types):
        raise DeclarationError(
            f"{attribute!r} is declared as {own.label}, and {target!r}, to which it passes "
            f"through, is {target.kind.label}: declare the same type, or give it a getter that "
            "converts"
        )


def slot_attribute(attribute: ThroughAttr[Any], store_cls: type[Store]) -> PassedThrough:
    """The attribute that one of a view passes through to.

    :param store_cls: the store of the view.
    :raises DeclarationError: the store has no such slot, or its model no such attribute.
    :raises UnknownModelError: the slot's model is not declared yet.
    """
    slot = _slot_of(attribute, store_cls)
    if slot.many:
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot!r}, which is a reference to many: compute "
            "it by a getter"
        )
    if isinstance(slot, Each) and slot.of_ids:
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot!r}, whose members are ids: declare it as "
            "each of their model, or compute it by a getter"
        )
    if slot.model is None:
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot!r}, which has no model: give its reference() "
            "the model"
        )
    known = slot.model.attributes()
    if attribute.through_name not in known:
        model, name = slot.model, attribute.through_name
        raise DeclarationError(
            f"{attribute!r} passes through to {attribute.slot_name}.{name}, and "
            + (
                f"{model.__name__}.{name} is no attribute: read it in a getter, or declare it by "
                "attrs.computed there"
                if inspect.getattr_static(model, name, None) is not None
                else f"{model.__name__} has no attribute {name!r}{nearest(name, known)}"
            )
        )
    is_there = slot.is_root or isinstance(slot, Each)
    return PassedThrough(known[attribute.through_name], of_root=slot.is_root, is_there=is_there)


def _slot_of(attribute: ThroughAttr[Any], store_cls: type[Store]) -> Reference[Any]:
    slots = store_cls.declared_slots()
    path = f"{attribute.slot_name}.{attribute.through_name}"
    if attribute.slot_name not in slots:
        known = ", ".join(slots) or "none; annotate `store` with the class of the view's store"
        raise DeclarationError(
            f"{attribute!r} passes through to {path}, and {store_cls.__name__} has no slot "
            f"{attribute.slot_name!r}{nearest(attribute.slot_name, slots)} (it has: {known})"
        )
    slot = slots[attribute.slot_name]
    if not isinstance(slot, Reference):
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot!r}, which is a value and has no attributes: "
            "compute it by a getter"
        )
    return slot
