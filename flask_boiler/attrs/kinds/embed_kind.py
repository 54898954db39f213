"""The kind of models that are stored inside the document."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, mismatch_of, shown
from flask_boiler.attrs.kinds.model_kind import ModelKind
from flask_boiler.errors import UnknownModelError, ValidationError

__all__ = ["EmbedKind"]


class EmbedKind(ModelKind):
    """A model stored inside the document, as a map."""

    has_attributes = True

    @property
    def label(self) -> str:  # type: ignore[override]
        """The name of the class."""
        return self.model.__name__

    def load(self, stored: Any) -> Any:
        """An instance of the class that ``obj_type`` names, or of the declared one."""
        if not isinstance(stored, Mapping):
            raise Mismatch(f"expected a map for {self.label}, not {shown(stored)}")
        try:
            return self.model._from_stored(stored)
        except UnknownModelError as error:
            raise Mismatch(str(error)) from error

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The model's own stored form."""
        if not isinstance(value, self.model):
            raise Mismatch(
                f"expected {self.label}, not {shown(value)}; from a dict, make one with "
                f"{self.label}.new(...) or {self.label}.from_dict(...)"
            )
        state = value._model_state
        if state.unknown_type is not None and not state.is_stored:
            # What is stored is read all the same; nothing of the kind is taken from outside.
            raise Mismatch({"obj_type": [f"no known class has {state.unknown_type!r:.60}"]})
        try:
            return value.to_view_dict() if bare else value.to_dict()
        except ValidationError as error:
            raise mismatch_of(error) from error

    def models_in(self, value: Any) -> Iterable[Any]:
        """The model itself."""
        return [value] if isinstance(value, self.model) else ()

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents that the model's attributes refer to."""
        return value._required_paths(name) if isinstance(value, self.model) else ()

    def same(self, value: Any, stored: Any) -> bool:
        """Whether nothing in it was changed; that does not need all of it to be valid."""
        if isinstance(value, self.model) and value._model_state.stored is stored:
            return value._is_unchanged()
        return super().same(value, stored)

    def adopt(self, value: Any) -> Any:
        """A new instance from a dict by attribute names, which is checked like any input."""
        if not isinstance(value, Mapping):
            return value
        try:
            return self.model._from_input(value)
        except ValidationError as error:
            raise mismatch_of(error) from error

    def part(self, name: str) -> tuple[str, Kind]:
        """The field name and the kind of one of the model's attributes."""
        return self.model._part(name)

    @property
    def part_names(self) -> Collection[str]:
        """The names of the model's attributes."""
        return self.model._part_names()
