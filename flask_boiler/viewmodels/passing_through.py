"""The attributes of a store's documents that those of a view pass through to."""

from __future__ import annotations

from typing import Any

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.through import ThroughAttr
from flask_boiler.errors import DeclarationError, UnknownModelError
from flask_boiler.ground.naming import nearest
from flask_boiler.viewmodels.slots import Reference
from flask_boiler.viewmodels.store import Store

__all__ = ["check_passing_through", "slot_attribute"]


def check_passing_through(view_cls: type[Any]) -> None:
    """Check what the attributes of a view pass through to, as far as it is declared already.

    :raises DeclarationError: there is no such slot or attribute.
    """
    for attribute in vars(view_cls).values():
        if isinstance(attribute, ThroughAttr):
            try:
                _ = attribute.target
            except UnknownModelError:
                # Of a class that may be declared later: said when it is first read.
                continue
            except DeclarationError as error:
                if not isinstance(error.__cause__, NameError):
                    raise
                # The same of the store.


def slot_attribute(attribute: ThroughAttr[Any], store_cls: type[Store]) -> tuple[Attr[Any], bool]:
    """The attribute that one of a view passes through to, and whether a root has it.

    :param store_cls: the store of the view.
    :raises DeclarationError: the store has no such slot, or its model no such attribute.
    :raises UnknownModelError: the slot's model is not declared yet.
    """
    slot = _slot_of(attribute, store_cls)
    if slot.many:
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot.owner}.{slot.name}, which is a reference to "
            "many: compute it by a getter"
        )
    if slot.model is None:
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot.owner}.{slot.name}, which has no model: give "
            "its reference() the model"
        )
    known = slot.model.attributes()
    if attribute.through_name not in known:
        raise DeclarationError(
            f"{attribute!r} passes through to {attribute.slot_name}.{attribute.through_name}, and "
            f"{slot.model.__name__} has no attribute {attribute.through_name!r}"
            f"{nearest(attribute.through_name, known)}"
        )
    return known[attribute.through_name], slot.is_root


def _slot_of(attribute: ThroughAttr[Any], store_cls: type[Store]) -> Reference[Any]:
    slots = store_cls.declared_slots()
    path = f"{attribute.slot_name}.{attribute.through_name}"
    if attribute.slot_name not in slots:
        known = ", ".join(slots) or "none; annotate `store` with the class of the view's store"
        raise DeclarationError(
            f"{attribute!r} passes through to {path}, and {store_cls.__name__} has no slot "
            f"{attribute.slot_name!r} (it has: {known})"
        )
    slot = slots[attribute.slot_name]
    if not isinstance(slot, Reference):
        raise DeclarationError(
            f"{attribute!r} cannot pass through {slot!r}, which is a value and has no attributes: "
            "compute it by a getter"
        )
    return slot
