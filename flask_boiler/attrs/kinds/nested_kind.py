"""The kind of references that read as the models themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_boiler.attrs import registry
from flask_boiler.attrs.attributed import Attributed, AttributedDocument
from flask_boiler.attrs.kinds.mismatch import Mismatch, mismatch_of
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.errors import UnknownModelError, ValidationError

__all__ = ["NestedKind", "Revision"]


class NestedKind(RelationKind):
    """A reference that reads as the model which lies there."""

    @property
    def label(self) -> str:  # type: ignore[override]
        """The name of the class."""
        return self.model.__name__

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The reference; for a view, what the model itself shows."""
        model = value.model if isinstance(value, Revision) else value
        if not bare or not isinstance(model, AttributedDocument):
            return super().dump(model)
        self._path(model)
        try:
            return model.to_view_dict()
        except ValidationError as error:
            raise mismatch_of(error) from error

    def adopt(self, value: Any) -> Any:
        """A new instance from a dict by attribute names, which is checked like any input."""
        if not isinstance(value, Mapping):
            return value
        given = dict(value)
        try:
            model = self.model._class_of({"obj_type": given.pop("obj_type", None)})
            return model._from_input(given)
        except ValidationError as error:
            raise mismatch_of(error) from error
        except UnknownModelError as error:
            raise Mismatch({"obj_type": [str(error)]}) from error
        except ValueError as error:
            # It lies below a parent, which a dict of attributes does not name.
            raise Mismatch(str(error)) from error

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The document itself; a model was loaded, or is stored with what refers to it."""
        held = isinstance(value, Revision | AttributedDocument)
        return () if held else super().required_paths(value, name)

    def revise(self, held: Any, value: Any) -> Any:
        """A value from outside for what is held now: a dict changes the model that is there."""
        if not isinstance(value, Mapping) or not isinstance(held, AttributedDocument):
            return self.adopt(value)
        given = dict(value)
        if given.pop("obj_type", held.type_name()) != held.type_name():
            return self.adopt(value)
        try:
            return Revision(held, held.accepted(with_dict=given))
        except ValidationError as error:
            raise mismatch_of(error) from error

    def known_model(self) -> type[Attributed] | None:
        """The class, if it is declared already."""
        if not isinstance(self._model, str):
            return self._model
        try:
            # Not kept, as `model` does: the declaration of that class may still be refused.
            return registry.find(self._model, near=self._owner)
        except UnknownModelError:
            return None


class Revision:
    """Checked values that a related model is to take over.

    :param values: by attribute name.
    """

    def __init__(self, model: Attributed, values: Mapping[str, Any]) -> None:
        self.model = model
        self._values = values

    def apply(self) -> Attributed:
        """Assign them; the model."""
        for name, value in self._values.items():
            setattr(self.model, name, value)
        return self.model
