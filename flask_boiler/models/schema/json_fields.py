"""The marshmallow fields of generated schemas: what JSON looks like for values of each kind."""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import marshmallow
from marshmallow import fields, validate

from flask_boiler.attrs.kinds.choice_kinds import LiteralKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.kinds.nested_kind import NestedKind
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import as_integer
from flask_boiler.errors import UnknownModelError, ValidationError
from flask_boiler.firestore.native import GeoPoint, Vector
from flask_boiler.ground.naming import is_reserved_field
from flask_boiler.ground.values import document_path
from flask_boiler.models.declared_model import DeclaredModel
from flask_boiler.models.schema.json_form import NoJsonError, json_form, number_form

__all__ = [
    "INT64",
    "AnyField",
    "Base64Field",
    "BooleanField",
    "EmbedField",
    "EnumField",
    "GeoPointField",
    "IntegerField",
    "IntegerTextField",
    "KeyField",
    "LiteralField",
    "LocalTimeField",
    "MapField",
    "NumberField",
    "ReferenceField",
    "RelatedField",
    "TimestampField",
    "UnionField",
    "VectorField",
    "is_foreign",
]

#: The least and the greatest integer that Firestore stores.
INT64 = (-(2**63), 2**63 - 1)

# More of what Firestore stores at most.
_MOST_LEVELS = 20
_MOST_DIMENSIONS = 2048
_LONGEST_KEY_BYTES = 1500


class BooleanField(fields.Boolean):
    """A boolean, and neither a number nor a text."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class IntegerField(fields.Integer):
    """An integer of 64 bits, and neither a boolean nor a text; ``3.0`` is one in JSON."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "too_large": "Number too large."
    }

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        number = super()._deserialize(as_integer(value), *args, **options)
        if number is not None and not INT64[0] <= number <= INT64[1]:
            raise self.make_error("too_large", input=value)
        return number


class IntegerTextField(fields.String):
    """An integer of 64 bits as a text, because JavaScript's numbers are exact up to 2**53 only."""

    _DIGITS: ClassVar[str] = "0|-?[1-9][0-9]{0,18}"
    #: What is taken, as a regular expression.
    PATTERN: ClassVar[str] = f"^({_DIGITS})$"

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not an integer as a string of digits.",
        "too_large": "Number too large.",
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return None if value is None else str(int(value))

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(self._DIGITS, value):
            raise self.make_error("invalid")
        number = int(value)
        if not INT64[0] <= number <= INT64[1]:
            raise self.make_error("too_large")
        return number


class NumberField(fields.Float):
    """A number, and neither a boolean nor a text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return number_form(self, super()._serialize(value, attr, obj, **options), attr)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **options)


class TimestampField(fields.AwareDateTime):
    """A moment that is also in UTC in the years 1 to 9999; without an offset, it is in UTC."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return super()._serialize(value, attr, obj, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        try:
            moment = super()._deserialize(value, *args, **options)
            moment.astimezone(datetime.UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error
        return moment


class LocalTimeField(fields.NaiveDateTime):
    """A time of one time zone, without the offset; one that has an offset is converted."""

    _DATE: ClassVar[str] = (
        "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
        "|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])"
        "|(0[48]|[2468][048]|[13579][26])00)-02-29)"
    )
    _TIME: ClassVar[str] = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    #: What is taken, as a regular expression.
    PATTERN: ClassVar[str] = f"^(?!0000){_DATE}T{_TIME}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$"

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        try:
            return super()._deserialize(value, *args, **options)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error


class AnyField(fields.Raw):
    """Whatever of JSON Firestore stores; its own values are shown in their JSON form."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        fault = _fault_of(value)
        if fault is not None:
            raise marshmallow.ValidationError(fault)
        return value


class LiteralField(AnyField):
    """One of a few values: for JSON, other than for Python, ``true`` is not 1."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Must be one of: {choices}."
    }

    def __init__(self, kind: LiteralKind, **options: Any) -> None:
        super().__init__(**options)
        self._kind = kind
        #: The values, as JSON has them.
        self.values = tuple(map(json_form, kind.values))

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        try:
            return self._kind.load(super()._deserialize(value, *args, **options))
        except Mismatch as error:
            choices = ", ".join(map(str, self.values))
            raise self.make_error("invalid", choices=choices) from error


class MapField(fields.Dict):
    """A map; what is wrong in it is named by its keys alone."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        try:
            return super()._serialize(value, attr, obj, **options)  # type: ignore[no-untyped-call]
        except NoJsonError as error:
            # Marshmallow does not tell the values which attribute they are of.
            said = {name or attr or "": texts for name, texts in error.messages.items()}
            raise NoJsonError(said, where=error.where) from error

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        try:
            loaded: Any = super()._deserialize(value, *args, **options)  # type: ignore[no-untyped-call]
        except marshmallow.ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            wrong = {key: m.get("value", m.get("key")) for key, m in error.messages.items()}
            raise marshmallow.ValidationError(wrong) from error
        return loaded


class KeyField(fields.String):
    """A key of a map."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        key = super()._deserialize(value, *args, **options)
        fault = _fault_of_key(key)
        if fault is not None:
            raise marshmallow.ValidationError(fault)
        return key


class Base64Field(fields.String):
    """Bytes as base64."""

    _GROUPS: ClassVar[str] = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    #: What is taken, as a regular expression: groups of four, the last one padded.
    PATTERN: ClassVar[str] = f"^{_GROUPS}$"

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not valid base64."
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        # The decoder alone would take more than is documented: padding that is too long, say.
        if not isinstance(value, str) or not re.fullmatch(self._GROUPS, value):
            raise self.make_error("invalid")
        return base64.b64decode(value)


class ReferenceField(fields.String):
    """A reference as the path of the document, or as its id where the model tells the rest."""

    _SEGMENT: ClassVar[str] = r"(?!\.\.?(/|$))(?!__[^/]*__(/|$))[^/]+"

    def __init__(self, kind: RelationKind, **options: Any) -> None:
        super().__init__(**options)
        self._kind = kind

    @property
    def pattern(self) -> str:
        """The regular expression of what is taken: a document's path, or its id alone."""
        segment = self._SEGMENT
        known = "|".join(dict.fromkeys(map(self._below, self._kind.collections())))
        path = f"({known})/{segment}" if known else f"{segment}/{segment}(/{segment}/{segment})*"
        return f"^({segment}|{path})$" if self._kind.has_model else f"^{path}$"

    def _below(self, collection: Sequence[str]) -> str:
        # No more than what every dialect has to escape: JavaScript refuses the rest.
        plain = [re.sub(r"[.^$+?()\[\]{}|\\]", r"\\\g<0>", part) for part in collection]
        return "/".join(self._SEGMENT if part == "*" else part for part in plain)

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not a path or id of a document."
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        path = super()._deserialize(value, *args, **options)
        try:
            found = document_path(path if "/" in path else f"_/{path}").removeprefix("_/")
        except ValueError as error:
            raise self.make_error("invalid") from error
        if "/" in found:
            try:
                self._kind.require_collection(found)
            except Mismatch as mismatch:
                raise marshmallow.ValidationError(mismatch.messages[""]) from mismatch
        return found


class EnumField(fields.Enum[Any]):
    """A member of an enum, as its value."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return number_form(self, super()._serialize(value, attr, obj, **options), attr)


class GeoPointField(fields.Dict):
    """A place as its latitude and longitude."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not a place: expected a latitude (-90 to 90) and a longitude (-180 to 180)."
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return number_form(self, value, attr)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if isinstance(value, Mapping) and value.keys() == {"latitude", "longitude"}:
            latitude, longitude = value["latitude"], value["longitude"]
            if _is_between(-90, latitude, 90) and _is_between(-180, longitude, 180):
                return GeoPoint(latitude, longitude)
        raise self.make_error("invalid")


class VectorField(fields.List[float]):
    """A vector as an array of numbers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(NumberField(), **options)
        self.validators.insert(0, validate.Length(min=1, max=_MOST_DIMENSIONS))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return number_form(self, value, attr)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        numbers: list[Any] = super()._deserialize(value, *args, **options)
        return Vector(numbers)


class UnionField(fields.Raw):
    """The first of several fields that takes the value."""

    def __init__(self, members: list[fields.Field[Any]], **options: Any) -> None:
        super().__init__(**options)
        self.members = members

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return number_form(self, value, attr)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        refusals: list[Any] = []
        for member in self.members:
            try:
                return member.deserialize(value, *args, **options)
            except marshmallow.ValidationError as error:
                refusals.append(error.messages)
        # One that complains of a part took the value as a whole, so it was probably meant.
        inner = (refusal for refusal in refusals if isinstance(refusal, dict))
        raise marshmallow.ValidationError(next(inner, refusals[0]))


class EmbedField(fields.Nested):
    """An embedded model, as its own schema has it; ``obj_type`` may name a class below it."""

    def __init__(self, kind: EmbedKind | NestedKind, **options: Any) -> None:
        # Asked for when it is needed: the model may be declared later.
        super().__init__(lambda: self.model.schema(), **options)  # noqa: PLW0108
        self.kind = kind

    @property
    def model(self) -> type[DeclaredModel]:
        """The embedded model.

        :raises UnknownModelError: no class has the name that was declared.
        """
        model = self.kind.model
        # Whatever has attributes is declared so.
        assert issubclass(model, DeclaredModel)
        return model

    def _serialize(  # type: ignore[override] # the two supertypes differ in it themselves
        self, nested_obj: Any, attr: Any, obj: Any, **options: Any
    ) -> Any:
        return json_form(nested_obj)

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, partial: Any = None, **options: Any
    ) -> Any:
        if not isinstance(value, Mapping):
            raise self.make_error("type", input=value, type=value.__class__.__name__)
        given = dict(value)
        if given.get("obj_type", "") is None:
            raise marshmallow.ValidationError({"obj_type": ["Field may not be null."]})
        model = self._model_of(given.pop("obj_type", None))
        # Also in a part of a view, the embedded model is given as a whole.
        return model.new(**model.schema().load(given))

    def _model_of(self, type_name: Any) -> type[DeclaredModel]:
        try:
            return self.model._class_of({"obj_type": type_name})
        except (UnknownModelError, ValidationError) as error:
            raise marshmallow.ValidationError({"obj_type": [str(error)]}) from error


class RelatedField(EmbedField):
    """A related model as its own schema has it; taken as the path or id of one, too."""

    def __init__(self, kind: NestedKind, **options: Any) -> None:
        super().__init__(kind, **options)
        #: What takes the path or id.
        self.reference = ReferenceField(kind, allow_none=self.allow_none)

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, partial: Any = None, **options: Any
    ) -> Any:
        if isinstance(value, str):
            return self.reference.deserialize(value, attr, data)
        try:
            return super()._deserialize(value, attr, data, partial, **options)
        except ValueError as error:
            # A document below others, which a dict of attributes does not name.
            raise marshmallow.ValidationError(str(error)) from error


def is_foreign(field: fields.Field[Any]) -> bool:
    """Whether a field is an application's own, or has one inside."""
    if isinstance(field, fields.List) and not isinstance(field, VectorField):
        return type(field) is not fields.List or is_foreign(field.inner)
    if isinstance(field, MapField):
        return field.value_field is not None and is_foreign(field.value_field)
    return type(field) is not fields.String and type(field).__module__ != __name__


def _fault_of(value: Any, levels: int = _MOST_LEVELS) -> str | None:
    """The reason why Firestore cannot store a value of JSON; ``None`` if it can."""
    if isinstance(value, int) and not INT64[0] <= value <= INT64[1]:
        return "An integer has at most 64 bits."
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no such number."
    if not isinstance(value, dict | list):
        return None
    if not levels:
        return f"Nested more than {_MOST_LEVELS} levels deep."
    if isinstance(value, list):
        if any(isinstance(item, list) for item in value):
            return "An array is directly inside another array: put an object between them."
        return _first(_fault_of(item, levels - 1) for item in value)
    keys = _first(_fault_of_key(key) for key in value)
    return keys or _first(_fault_of(item, levels - 1) for item in value.values())


def _fault_of_key(key: str) -> str | None:
    if not key or is_reserved_field(key):
        return f"A key is not empty, and not of the form __…__; this one is {key!r}."
    if len(key.encode(errors="replace")) > _LONGEST_KEY_BYTES:
        return f"A key has at most {_LONGEST_KEY_BYTES} bytes."
    return None


def _first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def _is_between(least: float, value: object, greatest: float) -> bool:
    # A boolean is equal to a number, but none.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= greatest
    )
