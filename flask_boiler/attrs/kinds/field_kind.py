"""The kind of what a marshmallow field makes of values."""

from __future__ import annotations

import copy
from typing import Any

import marshmallow

from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.attrs.validating import Validators, flattened
from flask_boiler.errors import DeclarationError
from flask_boiler.ground.callbacks import require_plain

__all__ = ["FieldKind"]


class FieldKind(Kind):
    """A marshmallow field as a kind: its values are what the field makes of them.

    :param field: bound to its schema, if it belongs to one.
    """

    def __init__(self, field: marshmallow.fields.Field[Any]) -> None:
        for validator in field.validators:
            require_plain(validator, f"a validator of {field!r:.60}", error=DeclarationError)
        if field.validators:
            field = copy.copy(field)
            field.validators = [Validators(*field.validators)]
        self.field = field
        self.label = f"what {type(field).__name__} takes"

    def load(self, stored: Any) -> Any:
        """The deserialized value, once the field's validators have passed."""
        try:
            return self.field.deserialize(stored)
        except marshmallow.ValidationError as error:
            raise Mismatch(flattened(error.messages)) from error

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The serialized value, which must be something that the field deserializes too."""
        name = self.field.attribute or self.field.name or "value"
        try:
            stored = self.field.serialize(name, {name: value})
        except Exception as error:
            # A field is free to fail in its own way on a value that it does not expect.
            raise Mismatch(f"{shown(value)} cannot be serialized: {error}") from error
        if not self.field.dump_only:
            self.load(stored)
        return stored

    def part(self, name: str) -> tuple[str, Kind]:
        """The name as it is, and a kind that takes anything."""
        return name, AnyKind()

    def item(self) -> Kind:
        """A kind that takes anything."""
        return AnyKind()
