"""The attribute of a view that passes through to one of a document that its store holds."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flask_boiler.attrs.attribute import Attr, AttributeOptions, Resolved
from flask_boiler.ground.errors import DeclarationError, RefusedError, UnknownModelError
from flask_boiler.ground.naming import nearest

if TYPE_CHECKING:
    from flask_boiler.models.model import Model
    from flask_boiler.viewmodels.store import Reference

__all__ = ["ThroughAttr", "check_passing_through"]

T = TypeVar("T")


class ThroughAttr(Attr[T]):
    """An attribute whose getter and setter are those of a slot's attribute, and nothing else.

    It has the type of that attribute unless it declares one, takes what that takes, and can be
    set if that can. Of a document that is missing it is ``None``, and refuses to be set.

    :param path: the slot of the store and the attribute: ``city.city_name``.
    :raises DeclarationError: it is no such path.
    """

    def __init__(self, path: str, *, options: AttributeOptions) -> None:
        super().__init__(options=options)
        names = path.split(".") if isinstance(path, str) else []
        if len(names) != 2 or not all(map(_is_name, names)):
            raise DeclarationError(
                f"attrs.through({path!r:.80}) names no attribute of a slot: expected the store's "
                "slot and the attribute, such as 'city.city_name'"
            )
        #: The slot of the store, and the attribute of what it holds.
        self.slot_name, self.through_name = names
        self._pass_out, self._pass_in = _getter(*names), _setter(*names)
        self._fget, self._fset = self._pass_out, self._pass_in
        self._target: Attr[Any] | None = None
        self._from_root = False

    @property
    def is_unchanged(self) -> bool:
        """Whether it still reads as the slot's attribute, having been given no other getter."""
        return self._fget is self._pass_out

    @property
    def target(self) -> Attr[Any]:
        """The slot's attribute.

        :raises DeclarationError: there is none.
        :raises UnknownModelError: the slot's model is not declared yet.
        """
        if self._target is None:
            slot = _slot_of(self, self._owner)
            self._target = self._attribute_of(slot)
            self._from_root = slot.is_root
            if self.__doc__ is None:
                self.__doc__ = self._target.__doc__
        return self._target

    @property
    def read_only(self) -> bool:
        """Whether input from outside may not set it."""
        if super().read_only or self._fset is not self._pass_in:
            return super().read_only
        return self.target.read_only or not self.target._owner._is_document

    @property
    def input_validators(self) -> tuple[Callable[[Any], Any], ...]:
        """What input is validated by: that of the slot's attribute, too."""
        own = super().input_validators
        return (*self.target.input_validators, *own) if self._fset is self._pass_in else own

    def adopt_for(self, instance: Model, value: Any) -> Any:
        """As the slot's attribute does.

        :raises Mismatch: nothing can be made of it.
        """
        held: Any = getattr(getattr(instance, "store", None), self.slot_name, None)
        if held is None or self._fset is not self._pass_in:
            return super().adopt_for(instance, value)
        return self.target.adopt_for(held, value)

    def check(self, value: Any) -> None:
        """Raise :class:`Mismatch` if the value is not valid, here or for the slot's attribute."""
        super().check(value)
        if self._fset is self._pass_in:
            self.target.check(value)

    def check_input(self, value: Any) -> None:
        """As ``check`` does, for a value from outside; it may read what the value refers to."""
        super().check(value)
        if self._fset is self._pass_in:
            self.target.check_input(value)

    def _resolve(self) -> Resolved:
        if self._type is not None:
            declared = super()._resolve()
            declared.required = declared.required or self._is_required_of_root()
            return declared
        target = self.target
        nullable = target.nullable or not self._from_root or not self.is_unchanged
        required = self.options.required or self._is_required_of_root()
        return self._take(Resolved(target.kind, nullable, required))

    def _is_required_of_root(self) -> bool:
        """Whether a new root is not valid without it, where the declaration does not say."""
        if self.options.required is not None or not self.is_unchanged:
            return False
        try:
            target = self.target
        except UnknownModelError:
            # It is declared later.
            return False
        return self._from_root and target.required

    def _attribute_of(self, slot: Reference[Any]) -> Attr[Any]:
        if slot.many:
            raise DeclarationError(
                f"{self!r} cannot pass through {slot.owner}.{slot.name}, which holds many "
                "documents: compute it by a getter"
            )
        if slot.model is None:
            raise DeclarationError(
                f"{self!r} cannot pass through {slot.owner}.{slot.name}, which does not say what "
                f"it holds: give its reference() the model"
            )
        known = slot.model.attributes()
        if self.through_name not in known:
            raise DeclarationError(
                f"{self!r} passes through to {self.slot_name}.{self.through_name}, and "
                f"{slot.model.__name__} has no attribute {self.through_name!r}"
                f"{nearest(self.through_name, known)}"
            )
        found: Attr[Any] = known[self.through_name]
        return found


def check_passing_through(view_cls: Any) -> None:
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


def _slot_of(attribute: ThroughAttr[Any], view_cls: Any) -> Reference[Any]:
    from flask_boiler.viewmodels.view_model import ViewModel, store_class

    if not (isinstance(view_cls, type) and issubclass(view_cls, ViewModel)):
        raise DeclarationError(f"{attribute!r} passes through a store, and only views have one")
    references = store_class(view_cls).references()
    if attribute.slot_name not in references:
        store = store_class(view_cls).__name__
        known = ", ".join(references) or "none; annotate `store` with the class of the view's store"
        raise DeclarationError(
            f"{attribute!r} passes through to {attribute.slot_name}.{attribute.through_name}, and "
            f"{store} has no reference {attribute.slot_name!r} (it has: {known})"
        )
    return references[attribute.slot_name]


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _getter(slot: str, name: str) -> Callable[[Any], Any]:
    def pass_out(view: Any) -> Any:
        held = getattr(view.store, slot)
        return None if held is None else getattr(held, name)

    return pass_out


def _setter(slot: str, name: str) -> Callable[[Any, Any], None]:
    def pass_in(view: Any, value: Any) -> None:
        held = getattr(view.store, slot)
        if held is None:
            raise RefusedError(f"There is no {slot} of which {name} could be set.")
        setattr(held, name, value)

    return pass_in
