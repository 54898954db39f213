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

JSON has neither NaN nor infinity. Where there is no type, or the type takes ``None``, such a number
is shown as ``null``, as JavaScript's ``JSON.stringify`` shows it. Where the type promises a number,
the object cannot be shown: that is an error of its own, and concerns nothing that is shown beside
it.

Keys are the field names of documents. What input may not set is ``dump_only``, what is never
shown ``load_only``; unknown keys are refused. What ``load`` gives is by attribute name, as
``new`` and ``update_vals`` take it.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping
from functools import singledispatch
from typing import Any, ClassVar

import marshmallow
from marshmallow import fields, validate

from flask_boiler.attrs.attribute import READ_ONLY, Attr
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.choice_kinds import EnumKind, LiteralKind, OptionalKind, UnionKind
from flask_boiler.attrs.kinds.container_kinds import DictKind, ListKind, ManyKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.field_kind import FieldKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.nested_kind import NestedKind
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import (
    BYTES,
    GEO_POINT,
    TIMESTAMP,
    VECTOR,
    LocalTimeKind,
    ScalarKind,
)
from flask_boiler.attrs.model_state import OMIT, UNSET
from flask_boiler.attrs.validating import Validators, flattened
from flask_boiler.errors import DeclarationError, ValidationError
from flask_boiler.firestore.native import copied
from flask_boiler.ground.naming import nearest
from flask_boiler.models.declared_model import DeclaredModel
from flask_boiler.models.schema.annotated_schema import AnnotatedSchema
from flask_boiler.models.schema.json_fields import (
    AnyField,
    Base64Field,
    BooleanField,
    EmbedField,
    EnumField,
    GeoPointField,
    IntegerField,
    IntegerTextField,
    KeyField,
    LiteralField,
    LocalTimeField,
    MapField,
    NumberField,
    ReferenceField,
    RelatedField,
    TimestampField,
    UnionField,
    VectorField,
    is_foreign,
)
from flask_boiler.models.schema.json_form import NoJsonError, checked_json

__all__ = ["InvalidInputError", "ModelSchema", "schema_of"]


class InvalidInputError(ValidationError, marshmallow.ValidationError):  # type: ignore[misc]
    """Input that a generated schema refuses: our error, and marshmallow's.

    :param error: what marshmallow says; ``messages`` are by field name, the parts of nested
        ones dotted (``address.street``).
    """

    def __init__(self, error: marshmallow.ValidationError, where: str) -> None:
        flat = flattened(error.messages)
        ValidationError.__init__(self, flat, where=where)
        self.by_field = True
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


class ModelSchema(AnnotatedSchema):
    """The base of generated schemas: reads attributes off models as well as dicts."""

    model: ClassVar[type[DeclaredModel]]

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The value of an attribute; what a getter raises comes through."""
        attribute = obj.attributes().get(attr) if isinstance(obj, DeclaredModel) else None
        if attribute is None:
            return super().get_attribute(obj, attr, default)
        value = default if attribute.is_unset(obj) else getattr(obj, attr)
        return marshmallow.missing if value is OMIT else value

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The JSON of an object, or of several.

        :raises StoredDataError: a value, by its attribute, that JSON has not.
        """
        try:
            return self._dump(obj, many)
        except NoJsonError as error:
            if error.where:
                raise
            raise NoJsonError(error.messages, where=self.model.__name__) from error

    def _dump(self, obj: Any, many: bool | None) -> Any:
        made = super().dump(obj, many=many)
        foreign = {name: f for name, f in self.dump_fields.items() if is_foreign(f)}
        for each in (made if isinstance(made, list) else [made]) if foreign else ():
            for name, field in foreign.items():
                key = field.data_key or name
                if key in each:
                    each[key] = checked_json(field, each[key], name)
        return made

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
        """The messages about fields, with the reason why one of them is not taken."""
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


def schema_of(model: type[DeclaredModel]) -> type[ModelSchema]:
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
        options["validate"] = [Validators(*attribute.input_validators)]
    if attribute.required and not attribute.read_only:
        options["required"] = True
    elif declared.default_factory is not None:
        options["load_default"] = declared.default_factory
    elif declared.default is not UNSET:
        default = declared.default
        mutable = isinstance(default, dict | list)
        options["load_default"] = (lambda: copied(default)) if mutable else default
    if declared.as_string:
        options["as_string"] = True
        if not _has_integers(attribute.kind):
            raise DeclarationError(
                f"{attribute!r} has as_string=True, which is only for integers: Attr[int], "
                "Attr[list[int]] …"
            )
    return field_for(attribute.kind, **options)


def _has_integers(kind: Kind) -> bool:
    """Whether ``as_string`` means something for a kind."""
    match kind:
        case ScalarKind():
            return kind.types == (int,)
        case OptionalKind():
            return _has_integers(kind.inner)
        case ListKind() | DictKind():
            return _has_integers(kind.of)
    return False


@singledispatch
def field_for(kind: Kind, **options: Any) -> fields.Field[Any]:
    """The marshmallow field for values of a kind."""
    return AnyField(**options)


@field_for.register
def _(kind: ScalarKind, **options: Any) -> fields.Field[Any]:
    as_string = options.pop("as_string", False)
    special: dict[Kind, type[fields.Field[Any]]] = {
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
        return IntegerTextField(**options) if as_string else IntegerField(strict=True, **options)
    return fields.String(**options)


@field_for.register
def _(kind: OptionalKind, **options: Any) -> fields.Field[Any]:
    return field_for(kind.inner, **{**options, "allow_none": True})


@field_for.register
def _(kind: UnionKind, **options: Any) -> fields.Field[Any]:
    return UnionField([field_for(member) for member in kind.kinds], **options)


@field_for.register
def _(kind: LiteralKind, **options: Any) -> fields.Field[Any]:
    if all(isinstance(value, str) for value in kind.values):
        validators = [validate.OneOf(kind.values), *options.pop("validate", [])]
        return fields.String(validate=validators, **options)
    return LiteralField(kind, **options)


@field_for.register
def _(kind: EnumKind, **options: Any) -> fields.Field[Any]:
    return EnumField(kind.enumeration, by_value=True, **options)


@field_for.register
def _(kind: ListKind, **options: Any) -> fields.Field[Any]:
    parts = _parts(options)
    return fields.List(_part_of(kind.of, **parts), **options)


@field_for.register
def _(kind: DictKind, **options: Any) -> fields.Field[Any]:
    parts = _parts(options)
    return MapField(keys=KeyField(), values=_part_of(kind.of, **parts), **options)


@field_for.register
def _(kind: LocalTimeKind, **options: Any) -> fields.Field[Any]:
    zone: Any = kind.zone
    return LocalTimeField(format="iso", timezone=zone, **options)


@field_for.register
def _(kind: FieldKind, **options: Any) -> fields.Field[Any]:
    field = copy.copy(kind.field)
    field.parent, field.name, field.root = None, None, None
    for name in ("data_key", "dump_only", "load_only", "required"):
        setattr(field, name, options.get(name, getattr(field, name)))
    return field


@field_for.register
def _(kind: RelationKind, **options: Any) -> fields.Field[Any]:
    return ReferenceField(kind, **options)


@field_for.register
def _(kind: NestedKind, **options: Any) -> fields.Field[Any]:
    return RelatedField(kind, **options)


@field_for.register
def _(kind: EmbedKind, **options: Any) -> fields.Field[Any]:
    return EmbedField(kind, **options)


@field_for.register
def _(kind: ManyKind, **options: Any) -> fields.Field[Any]:
    in_list, in_dict = _part_of(kind.of), _part_of(kind.of)
    return UnionField([fields.List(in_list), MapField(keys=KeyField(), values=in_dict)], **options)


def _part_of(kind: Kind, **options: Any) -> fields.Field[Any]:
    """The field for what lies in an array or a map; what takes anything takes null."""
    return field_for(kind, allow_none=isinstance(kind, AnyKind), **options)


def _parts(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the parts of a value, taken out of those of the value."""
    return {name: options.pop(name) for name in ("as_string",) if name in options}
