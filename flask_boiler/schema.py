"""Marshmallow schemas generated from attributes: what JSON looks like for a model.

=============  ==============================================
attribute      JSON
=============  ==============================================
``datetime``   ISO 8601, with the offset; local times without
``bytes``      base64
reference      the document's path
``GeoPoint``   ``{"latitude": …, "longitude": …}``
``Vector``     an array of numbers
model          an object, with its own field names
=============  ==============================================

Keys are the field names of documents. What input may not set is ``dump_only``, what is never
shown ``load_only``; unknown keys are refused. What ``load`` gives is by attribute name, as
``new`` and ``update_vals`` take it.
"""

from __future__ import annotations

import base64
import copy
import datetime
import enum
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from typing import TYPE_CHECKING, Any, ClassVar

import marshmallow
from marshmallow import fields, validate

from flask_boiler.attrs import kinds, links, relations
from flask_boiler.attrs.attribute import READ_ONLY, Attr
from flask_boiler.attrs.typed import BYTES, GEO_POINT, TIMESTAMP, VECTOR
from flask_boiler.errors import UnknownModelError, ValidationError
from flask_boiler.firestore.native import BaseDocumentReference, GeoPoint, Vector, copied
from flask_boiler.model_state import UNSET
from flask_boiler.naming import is_reserved_field, nearest
from flask_boiler.values import document_path

if TYPE_CHECKING:
    from flask_boiler.model import Model

__all__ = ["InvalidInputError", "ModelSchema", "schema_of"]

#: The least and the greatest integer that Firestore stores.
INT64 = (-(2**63), 2**63 - 1)

# More of what Firestore stores at most.
_MOST_LEVELS = 20
_MOST_DIMENSIONS = 2048
_LONGEST_KEY_BYTES = 1500


class InvalidInputError(ValidationError, marshmallow.ValidationError):  # type: ignore[misc]
    """Input that a generated schema refuses: our error, and marshmallow's.

    :param error: what marshmallow says; ``messages`` are by field name, the parts of nested
        ones dotted (``address.street``).
    """

    def __init__(self, error: marshmallow.ValidationError, where: str) -> None:
        flat = kinds.flattened(error.messages)
        ValidationError.__init__(self, flat, where=where)
        text = str(self)
        marshmallow.ValidationError.__init__(
            self,
            error.messages,
            field_name=error.field_name,
            data=error.data,
            valid_data=error.valid_data,
            **error.kwargs,
        )
        # Both have messages and a text of their own; ours are those that stay.
        self.messages, self.args = flat, (text,)


class ModelSchema(marshmallow.Schema):
    """The base of generated schemas: reads attributes off models as well as dicts."""

    model: ClassVar[type[Model]]

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The value of an attribute; what a getter raises comes through."""
        attribute = obj.attributes().get(attr) if _is_model(obj) else None
        if attribute is None:
            return super().get_attribute(obj, attr, default)
        return default if attribute.is_unset(obj) else getattr(obj, attr)

    def handle_error(
        self, error: marshmallow.ValidationError, data: Any, *, many: bool, **options: Any
    ) -> None:
        """Raise the error as ours too."""
        if isinstance(error.messages, dict):
            said = error.messages
            error.messages = (
                {index: self._explained(of_one) for index, of_one in said.items()}
                if many
                else self._explained(said)
            )
        raise InvalidInputError(error, self.model.__name__) from error

    def _explained(self, said: Any) -> Any:
        """What is said of fields, with the reason why one of them is not taken."""
        if not isinstance(said, dict):
            return said
        unknown = [self.error_messages["unknown"]]
        return {name: self._why_not(name) if s == unknown else s for name, s in said.items()}

    def _why_not(self, name: str) -> list[str]:
        if name in _keys(self.dump_fields):
            return [READ_ONLY]
        hint = nearest(name, _keys(self.load_fields)) if isinstance(name, str) else ""
        return [f"Unknown field{hint or '.'}"]


def _keys(known: Mapping[str, fields.Field[Any]]) -> list[str]:
    return [field.data_key or name for name, field in known.items()]


def schema_of(model: type[Model]) -> type[ModelSchema]:
    """A schema class for the attributes of a model."""
    body: dict[str, Any] = {
        name: _field_of(attribute)
        for name, attribute in model.attributes().items()
        if attribute.options.export_enabled or not attribute.read_only
    }
    body["Meta"] = type("Meta", (), {"unknown": marshmallow.RAISE, "register": False})
    body["model"] = model
    body["__module__"] = model.__module__
    return type(f"{model.__name__}Schema", (ModelSchema,), body)


def _field_of(attribute: Attr[Any]) -> fields.Field[Any]:
    declared = attribute.options
    options: dict[str, Any] = {
        "data_key": attribute.data_key,
        "allow_none": attribute.nullable,
        "dump_only": attribute.read_only,
        "load_only": not declared.export_enabled,
        "metadata": {"description": attribute.__doc__} if attribute.__doc__ else {},
    }
    if attribute.input_validators:
        options["validate"] = list(attribute.input_validators)
    if attribute.required and not attribute.read_only:
        options["required"] = True
    elif declared.default_factory is not None:
        options["load_default"] = declared.default_factory
    elif declared.default is not UNSET:
        default = declared.default
        mutable = isinstance(default, dict | list)
        options["load_default"] = (lambda: copied(default)) if mutable else default
    return field_for(attribute.kind, **options)


@singledispatch
def field_for(kind: kinds.Kind, **options: Any) -> fields.Field[Any]:
    """The marshmallow field for values of a kind."""
    return AnyField(**options)


@field_for.register
def _(kind: kinds.ScalarKind, **options: Any) -> fields.Field[Any]:
    special: dict[kinds.Kind, type[fields.Field[Any]]] = {
        BYTES: Base64Field,
        GEO_POINT: GeoPointField,
        VECTOR: VectorField,
    }
    if kind is TIMESTAMP:
        return TimestampField(format="iso", default_timezone=datetime.UTC, **options)
    if kind in special:
        return special[kind](**options)
    if bool in kind.types:
        return BooleanField(**options)
    if float in kind.types:
        return NumberField(**options)
    if int in kind.types:
        return IntegerField(strict=True, **options)
    return fields.String(**options)


@field_for.register
def _(kind: kinds.OptionalKind, **options: Any) -> fields.Field[Any]:
    return field_for(kind.inner, **{**options, "allow_none": True})


@field_for.register
def _(kind: kinds.UnionKind, **options: Any) -> fields.Field[Any]:
    return UnionField([field_for(member) for member in kind.kinds], **options)


@field_for.register
def _(kind: kinds.LiteralKind, **options: Any) -> fields.Field[Any]:
    validators = [validate.OneOf(kind.values), *options.pop("validate", [])]
    if all(isinstance(value, str) for value in kind.values):
        return fields.String(validate=validators, **options)
    return AnyField(validate=validators, **options)


@field_for.register
def _(kind: kinds.EnumKind, **options: Any) -> fields.Field[Any]:
    return fields.Enum(kind.enumeration, by_value=True, **options)


@field_for.register
def _(kind: kinds.ListKind, **options: Any) -> fields.Field[Any]:
    return fields.List(_part_of(kind.of), **options)


@field_for.register
def _(kind: kinds.DictKind, **options: Any) -> fields.Field[Any]:
    return MapField(keys=KeyField(), values=_part_of(kind.of), **options)


@field_for.register
def _(kind: kinds.LocalTimeKind, **options: Any) -> fields.Field[Any]:
    zone: Any = kind.zone
    return LocalTimeField(format="iso", timezone=zone, **options)


@field_for.register
def _(kind: kinds.FieldKind, **options: Any) -> fields.Field[Any]:
    field = copy.copy(kind.field)
    field.parent, field.name, field.root = None, None, None
    for name in ("data_key", "dump_only", "load_only", "required"):
        setattr(field, name, options.get(name, getattr(field, name)))
    return field


@field_for.register
def _(kind: links.RelationKind, **options: Any) -> fields.Field[Any]:
    return ReferenceField(has_model=kind.has_model, **options)


@field_for.register
def _(kind: relations.NestedKind, **options: Any) -> fields.Field[Any]:
    return RelatedField(kind, **options)


@field_for.register
def _(kind: links.EmbedKind, **options: Any) -> fields.Field[Any]:
    return EmbedField(kind, **options)


@field_for.register
def _(kind: links.ManyKind, **options: Any) -> fields.Field[Any]:
    in_list, in_dict = _part_of(kind.of), _part_of(kind.of)
    return UnionField([fields.List(in_list), MapField(keys=KeyField(), values=in_dict)], **options)


def _part_of(kind: kinds.Kind) -> fields.Field[Any]:
    """The field for what lies in an array or a map; what takes anything takes null."""
    return field_for(kind, allow_none=isinstance(kind, kinds.AnyKind))


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
        number = super()._deserialize(kinds.as_integer(value), *args, **options)
        if number is not None and not INT64[0] <= number <= INT64[1]:
            raise self.make_error("too_large", input=value)
        return number


class NumberField(fields.Float):
    """A number, and neither a boolean nor a text."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **options)


class TimestampField(fields.AwareDateTime):
    """A moment; it has to be in the years 1 to 9999 of UTC, too."""

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


class MapField(fields.Dict):
    """A map; what is wrong in it is named by its keys alone."""

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

    def __init__(self, *, has_model: bool = True, **options: Any) -> None:
        super().__init__(**options)
        segment = r"(?!\.\.?(/|$))(?!__[^/]*__(/|$))[^/]+"
        below = f"/{segment}(/{segment}/{segment})*"
        #: What is taken, as a regular expression: an even number of segments, or an id alone.
        self.pattern = f"^{segment}({below})?$" if has_model else f"^{segment}{below}$"

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not a document's path or id."
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        path = super()._deserialize(value, *args, **options)
        try:
            return document_path(path if "/" in path else f"_/{path}").removeprefix("_/")
        except ValueError as error:
            raise self.make_error("invalid") from error


class GeoPointField(fields.Dict):
    """A place as its latitude and longitude."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "Not a place: expected a latitude (-90 to 90) and a longitude (-180 to 180)."
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

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
        return json_form(value)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        numbers: list[Any] = super()._deserialize(value, *args, **options)
        return Vector(numbers)


class UnionField(fields.Raw):
    """The first of several fields that takes the value."""

    def __init__(self, members: list[fields.Field[Any]], **options: Any) -> None:
        super().__init__(**options)
        self.members = members

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> Any:
        return json_form(value)

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

    def __init__(self, kind: links.EmbedKind | relations.NestedKind, **options: Any) -> None:
        # Asked for when it is needed: the model may be declared later.
        super().__init__(lambda: kind.model.schema(), **options)  # noqa: PLW0108
        self.kind = kind

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

    def _model_of(self, type_name: Any) -> type[Model]:
        try:
            return self.kind.model._class_of({"obj_type": type_name})
        except (UnknownModelError, ValidationError) as error:
            raise marshmallow.ValidationError({"obj_type": [str(error)]}) from error


class RelatedField(EmbedField):
    """A related model as its own schema has it; taken as the path or id of one, too."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, partial: Any = None, **options: Any
    ) -> Any:
        if isinstance(value, str):
            return ReferenceField().deserialize(value, attr, data)
        try:
            return super()._deserialize(value, attr, data, partial, **options)
        except ValueError as error:
            # A document below others, which a dict of attributes does not name.
            raise marshmallow.ValidationError(str(error)) from error


def json_form(value: Any) -> Any:
    """A value as JSON can say it."""
    form = _JSON_FORMS.get(type(value))
    if form is not None:
        return form(value)
    if isinstance(value, Mapping):
        return {key: json_form(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_form(item) for item in value]
    for kind, form in _JSON_FORMS.items():
        if isinstance(value, kind):
            return form(value)
    return value.schema().dump(value) if _is_model(value) else value


_JSON_FORMS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    str: lambda value: value,
    enum.Enum: lambda member: member.value,
    float: lambda number: number if math.isfinite(number) else None,
    datetime.datetime: lambda moment: moment.isoformat(),
    bytes: lambda data: base64.b64encode(data).decode("ascii"),
    BaseDocumentReference: lambda reference: reference.path,
    GeoPoint: lambda point: {"latitude": point.latitude, "longitude": point.longitude},
    Vector: list,
}


def _fault_of(value: Any, levels: int = _MOST_LEVELS) -> str | None:
    """What keeps Firestore from storing a value of JSON; ``None`` if nothing does."""
    if isinstance(value, int) and not INT64[0] <= value <= INT64[1]:
        return "An integer has at most 64 bits."
    if not isinstance(value, dict | list):
        return None
    if not levels:
        return f"Nested more than {_MOST_LEVELS} levels deep."
    if isinstance(value, list):
        if any(isinstance(item, list) for item in value):
            return "An array is directly inside an array; put an object between."
        return _first(_fault_of(item, levels - 1) for item in value)
    keys = _first(_fault_of_key(key) for key in value)
    return keys or _first(_fault_of(item, levels - 1) for item in value.values())


def _fault_of_key(key: str) -> str | None:
    if not key or is_reserved_field(key):
        return f"A key is not {key!r}: it is not empty, and not __…__."
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


def _is_model(value: object) -> bool:
    from flask_boiler.model import Model

    return isinstance(value, Model)
