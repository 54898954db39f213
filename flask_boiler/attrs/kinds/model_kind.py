"""The base of the kinds that lead to other models."""

from __future__ import annotations

from typing import Any

from flask_boiler.attrs.attributed import Attributed
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.errors import DeclarationError

__all__ = ["ModelKind"]


class ModelKind(Kind):
    """A kind that is about one model.

    :param model: the class; or its name, if it is declared later.
    :param owner: the class that declares the attribute, near which a name is looked up.
    """

    def __init__(self, model: type[Any] | str, owner: type | None = None) -> None:
        self._model = model
        self._owner = owner
        if isinstance(model, type):
            self._check(model)

    @property
    def model(self) -> type[Attributed]:
        """The class.

        :raises UnknownModelError: no class has that name.
        """
        if isinstance(self._model, str):
            from flask_boiler.attrs import registry

            self._model = registry.find(self._model, near=self._owner)
            self._check(self._model)
        return self._model

    def declare_owner(self, owner: type) -> None:
        """Look the name up near this class, unless another declared it first."""
        self._owner = self._owner or owner

    def _check(self, model: type[Any]) -> None:
        if not issubclass(model, Attributed):
            raise DeclarationError(f"{model.__qualname__} is not a model of flask_boiler")
