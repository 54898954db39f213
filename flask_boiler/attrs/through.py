"""The attribute of a view that passes through to one of a document that its store holds."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.attributed import Attributed, AttributedDocument, Link
from flask_boiler.attrs.declared_attr import AttributeOptions, Resolved
from flask_boiler.errors import DeclarationError, RefusedError, UnknownModelError

__all__ = ["PassedThrough", "PassingView", "ThroughAttr"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """The attribute of a slot that one of a view passes through to.

    :param of_root: whether it is that of a root.
    :param is_there: whether the slot never holds nothing.
    """

    attribute: Attr[Any]
    of_root: bool
    is_there: bool


class PassingView(Attributed):
    """A view whose attributes may pass through to those of the documents in its store."""

    @classmethod
    def _passed_through(cls, attribute: ThroughAttr[Any]) -> PassedThrough:
        """The attribute that one of the view passes through to.

        :raises DeclarationError: there is none.
        :raises UnknownModelError: the slot's model is not declared yet.
        """
        raise NotImplementedError


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
                f"attrs.through({path!r:.80}): expected a slot of the store and an attribute, "
                "such as 'city.city_name'"
            )
        #: The slot of the store, and the attribute of what it holds.
        self.slot_name, self.through_name = names
        self._pass_out, self._pass_in = _getter(*names), _setter(*names)
        self._fget, self._fset = self._pass_out, self._pass_in
        self._passed: PassedThrough | None = None

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
        return self._passing.attribute

    @property
    def _passing(self) -> PassedThrough:
        if self._passed is None:
            view_cls = self._owner
            if not (isinstance(view_cls, type) and issubclass(view_cls, PassingView)):
                raise DeclarationError(
                    f"{self!r} uses attrs.through, and only views have a store for it"
                )
            self._passed = view_cls._passed_through(self)
            if self.__doc__ is None:
                self.__doc__ = self._passed.attribute.__doc__
        return self._passed

    @property
    def read_only(self) -> bool:
        """Whether input from outside may not set it."""
        if super().read_only or self._fset is not self._pass_in:
            return super().read_only
        return self.target.read_only or not issubclass(self.target._owner, AttributedDocument)

    @property
    def input_validators(self) -> tuple[Callable[[Any], Any], ...]:
        """The validators of input, with those of the slot's attribute."""
        own = super().input_validators
        return (*self.target.input_validators, *own) if self._fset is self._pass_in else own

    def adopt_for(self, instance: Attributed, value: Any) -> Any:
        """A value from outside as the slot's attribute takes it.

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

    def required_paths(self, value: Any) -> Iterable[tuple[str, str]]:
        """The documents that have to exist if the slot's attribute takes the value."""
        return self.target.required_paths(value) if self._fset is self._pass_in else ()

    def links_in(self, value: Any) -> Iterable[Link]:
        """The references that the slot's attribute has to take."""
        return self.target.links_in(value) if self._fset is self._pass_in else ()

    def _resolve(self) -> Resolved:
        if self._type is not None:
            declared = super()._resolve()
            declared.required = declared.required or self._is_required_of_root()
            return declared
        passed, target = self._passing, self.target
        nullable = target.nullable or not passed.is_there or not self.is_unchanged
        required = self.options.required or self._is_required_of_root()
        resolved = Resolved(target.kind, nullable, required)
        resolved.may_omit, resolved.says_omit = target.may_omit, target.says_omit
        return self._take(resolved)

    def _is_required_of_root(self) -> bool:
        """Whether a new root is not valid without it, where the declaration does not say."""
        if self.options.required is not None or not self.is_unchanged:
            return False
        try:
            passed = self._passing
        except UnknownModelError:
            # It is declared later.
            return False
        return passed.of_root and passed.attribute.required


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
            raise RefusedError(f"There is no {slot}, so {name} cannot be set.")
        setattr(held, name, value)

    return pass_in
