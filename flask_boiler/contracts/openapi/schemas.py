"""Schemas of values: marshmallow's fields as OpenAPI 3.0.3 says them.

apispec does this for marshmallow's own fields; here is what it cannot know of ours.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container, Hashable, Iterable, Mapping
from typing import Any, cast

import marshmallow
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key

from flask_boiler.attrs import registry
from flask_boiler.attrs.attribute import Attr
from flask_boiler.contracts.openapi.validators import REPLACED, validated
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.declared_model import DeclaredModel, is_framework_class
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.schema import json_fields, schema
from flask_boiler.models.schema.json_form import json_form
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = [
    "VERSION",
    "JsonSchema",
    "Schemas",
    "closed_object",
    "free_name",
    "json_only",
    "keys_in_words",
]

#: What the page of flasgger reads.
VERSION = "3.0.3"

JsonSchema = dict[str, Any]


class Schemas:
    """The named schemas of one document; what is asked for is added."""

    def __init__(self) -> None:
        plugin = MarshmallowPlugin(schema_name_resolver=self._name_of)
        self._spec = APISpec(title="", version="", openapi_version=VERSION, plugins=[plugin])
        # Made by the specification above, which type checkers cannot know.
        self._converter: Any = cast(Any, plugin.converter)
        self._converter.attribute_functions = [
            function
            for function in self._converter.attribute_functions
            if function.__name__ not in REPLACED
        ]
        self._converter.add_attribute_function(_own_properties)
        self._converter.add_attribute_function(_demands)
        #: By what they are of, and for what.
        self._names: dict[Hashable, str] = {}

    @property
    def named(self) -> Mapping[str, JsonSchema]:
        """The schemas that were asked for, and those that they refer to."""
        return self._spec.components.schemas

    def view(self, view_cls: type[ViewModel]) -> JsonSchema:
        """A view as it is answered, and as ``PUT`` takes it."""
        name = self._name(view_cls)
        if name not in self.named:
            made = self._converter.schema2jsonschema(view_cls.schema())
            made["required"] = [
                attribute.data_key
                for attribute in view_cls.attributes().values()
                if attribute.options.export_enabled and not attribute.says_omit
            ]
            _describe(made, view_cls)
            self.add(name, made)
        return _reference(name)

    def patch(self, view_cls: type[ViewModel]) -> JsonSchema:
        """The schema of a part of what can be written."""
        return self._input(view_cls, "Patch", ())

    def new(self, view_cls: type[ViewModel], root: type[DomainModel] | None) -> JsonSchema:
        """The schema of a new view: what can be written, with what a new root cannot do without.

        :param root: ``None`` if the view is not of one root alone.
        """
        attributes = {} if root is None else root.attributes()
        needed = {a.data_key for a in attributes.values() if a.required}
        required = [
            attribute.data_key
            for attribute in _writable(view_cls).values()
            if attribute.required or attribute.data_key in needed
        ]
        return self._input(view_cls, "New", required)

    def page(
        self, view_cls: type[ViewModel], slot: str | None = None, *, problem: JsonSchema
    ) -> JsonSchema:
        """A page of views.

        :param slot: what varies, if it is known.
        :param problem: the schema of what is told of a view that cannot be shown.
        """
        keys = keys_in_words(view_cls, slot)
        # A view may have lists of several kinds.
        by_what = "" if slot is None or ViewSubject(view_cls).is_document else f"By{slot.title()}"
        name = self._name(view_cls, f"Page{by_what}")
        if name not in self.named:
            properties: dict[str, JsonSchema] = {
                "results": {
                    "type": "object",
                    "description": f"The views by {keys}, in order.",
                    "additionalProperties": self.view(view_cls),
                },
                "next_page_token": {
                    "type": "string",
                    "nullable": True,
                    "description": "The token for the next page; null on the last page.",
                },
                "errors": {
                    "type": "object",
                    "description": "Why the views that are missing in the results cannot be "
                    f"shown, by {keys}; left out if there are none.",
                    "additionalProperties": problem,
                },
            }
            self.add(name, closed_object(properties, required=["results", "next_page_token"]))
        return _reference(name)

    def add(self, name: str, component: JsonSchema) -> JsonSchema:
        """The reference to a schema that is now there under this name."""
        if name not in self.named:
            self._spec.components.schema(name, component)
        return _reference(name)

    def of_field(self, field: marshmallow.fields.Field[Any]) -> JsonSchema:
        """The schema of a field's values."""
        described: JsonSchema = self._converter.field2property(field)
        return described

    def _input(self, view_cls: type[ViewModel], role: str, required: Iterable[str]) -> JsonSchema:
        name = self._name(view_cls, role)
        if name not in self.named:
            options: dict[str, Any] = {"partial": True, "only": tuple(_writable(view_cls))}
            made = self._converter.schema2jsonschema(view_cls.schema(**options))
            for described in made["properties"].values():
                # What is left out of a patch stays as it is.
                described.pop("default", None)
            if listed := list(required):
                made["required"] = listed
            self.add(name, made)
        return _reference(name)

    def _name_of(self, asked: Any) -> str:
        """The name of a schema that a field refers to; it may be none of ours."""
        if isinstance(asked, schema.ModelSchema):
            return self._name(asked.model)
        cls = type(asked)
        # With other fields left out, say, it is another one.
        return self._free(make_schema_key(asked), cls.__name__.removesuffix("Schema") or "Schema")

    def _name(self, model: type[DeclaredModel], role: str = "") -> str:
        """A name that nothing else has, whatever applications call their classes."""
        return self._free((model, role), f"{model.__name__}{role}")

    def _free(self, key: Hashable, wanted: str) -> str:
        if key not in self._names:
            taken = {*self._names.values(), *self.named}
            name = re.sub(r"[^\w.-]", "_", wanted, flags=re.ASCII)
            self._names[key] = free_name(name, taken)
        return self._names[key]


def free_name(wanted: str, taken: Container[str]) -> str:
    """A name that is not taken: as wanted, or with a number after it."""
    numbered = (f"{wanted}{n}" if n > 1 else wanted for n in itertools.count(1))
    return next(name for name in numbered if name not in taken)


def closed_object(properties: Mapping[str, JsonSchema], *, required: list[str]) -> JsonSchema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def json_only(said: Any) -> Any:
    """The document without what JSON cannot say, such as infinite bounds."""
    if isinstance(said, Mapping):
        return {str(name): json_only(v) for name, v in said.items() if _is_sayable(v)}
    if isinstance(said, list | tuple | set | frozenset):
        return [json_only(item) for item in said if _is_sayable(item)]
    form = json_form(said)
    return form if form is None or isinstance(form, str | int | float | list | dict) else str(form)


def _is_sayable(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _writable(view_cls: type[ViewModel]) -> dict[str, Attr[Any]]:
    return {name: a for name, a in view_cls.attributes().items() if not a.read_only}


def _describe(made: JsonSchema, model: type[DeclaredModel]) -> None:
    if vars(model).get("__doc__"):
        made["description"] = str(model.__doc__).partition("\n\n")[0]


def _reference(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _demands(converter: Any, field: marshmallow.fields.Field[Any], ret: JsonSchema) -> JsonSchema:
    """The demands of validators and the default, when the rest is said; bound to its converter."""
    made = validated(field, ret)
    if isinstance(field, json_fields.IntegerField) and not _is_safe(made):
        made["description"] = " ".join(filter(None, [made.get("description"), _UNSAFE]))
    ret.clear()
    return made


_UNSAFE = "A browser reads it exactly only from -(2^53 - 1) to 2^53 - 1."


def _is_safe(described: JsonSchema) -> bool:
    """Whether JavaScript, whose numbers are doubles, can say all the integers."""
    greatest = 2**53 - 1
    enumerated = described.get("enum", ())
    bounds = [described["minimum"], described["maximum"]]
    return all(abs(number or 0) <= greatest for number in enumerated or bounds)


def _own_properties(
    converter: Any, field: marshmallow.fields.Field[Any], ret: JsonSchema
) -> JsonSchema:
    """The properties that replace or complete apispec's of a field; bound to its converter."""
    match field:
        case json_fields.IntegerField():
            least, greatest = json_fields.INT64
            return {"format": "int64", "minimum": least, "maximum": greatest}
        case json_fields.IntegerTextField():
            return {"format": "int64", "pattern": json_fields.IntegerTextField.PATTERN}
        case json_fields.NumberField():
            return {"format": "double"}
        case json_fields.LocalTimeField():
            # No format of OpenAPI's is without an offset.
            ret.pop("format", None)
            return {"pattern": json_fields.LocalTimeField.PATTERN}
        case json_fields.Base64Field():
            return {"format": "byte", "pattern": json_fields.Base64Field.PATTERN}
        case json_fields.ReferenceField():
            return {"pattern": field.pattern}
        case json_fields.GeoPointField():
            return _geo_point()
        case json_fields.RelatedField():
            # Taken as the path or id of one, too, and so it is answered.
            path = {"type": "string", "pattern": field.reference.pattern}
            return {"anyOf": [path, *_embedded(converter, field, ret)["anyOf"]]}
        case json_fields.EmbedField():
            return _embedded(converter, field, ret)
        case json_fields.UnionField():
            return _any_of(map(converter.field2property, field.members), ret)
        case json_fields.LiteralField():
            ret.pop("nullable", None)
            return {"enum": list(field.values)}
        case marshmallow.fields.Number() if field.as_string:
            return {"type": "string", "pattern": _NUMERALS[isinstance(field, _Integer)]}
        case marshmallow.fields.Tuple():
            return _tuple(map(converter.field2property, field.tuple_fields), ret)
    if "type" not in ret and not ret.keys() & {"anyOf", "allOf", "$ref"}:
        # Without a type, null is allowed as anything else is.
        ret.pop("nullable", None)
    return {}


_Integer = marshmallow.fields.Integer
#: Numbers as strings, as OpenAPI's clients are told to write them; by whether they are integers.
_NUMERALS = {
    True: "^-?[0-9]{1,300}$",
    False: r"^-?[0-9]{1,300}(\.[0-9]{1,300})?$",
}


def _tuple(members: Iterable[JsonSchema], ret: JsonSchema) -> JsonSchema:
    """The schema of an array of so many items; OpenAPI 3.0 cannot say which item is which."""
    found = list(members)
    count = {"minItems": len(found), "maxItems": len(found)}
    return {"type": "array", "items": {"anyOf": found} if found else {}, **count}


def _geo_point() -> JsonSchema:
    bounds = {"latitude": 90, "longitude": 180}
    properties = {
        name: {"type": "number", "format": "double", "minimum": -bound, "maximum": bound}
        for name, bound in bounds.items()
    }
    return closed_object(properties, required=list(bounds))


def _embedded(converter: Any, field: json_fields.EmbedField, ret: JsonSchema) -> JsonSchema:
    """The schema of any of the classes that ``obj_type`` may name."""
    for key in ("$ref", "allOf", "anyOf"):
        ret.pop(key, None)
    ret["nullable"] = field.allow_none
    models = registry.descendants(field.model) or [field.model]
    return _any_of([_named_by_type(converter, model) for model in models], ret)


def _named_by_type(converter: Any, model: type[DeclaredModel]) -> JsonSchema:
    reference: JsonSchema = converter.resolve_nested_schema(model.schema())
    made = converter.spec.components.schemas.get(reference["$ref"].rpartition("/")[2])
    # One that embeds itself is not there yet, and is completed from further out.
    if made is not None and "obj_type" not in made["properties"]:
        name = {"type": "string", "enum": [model.type_name()], "writeOnly": True}
        made["properties"]["obj_type"] = name
        if any(not is_framework_class(parent) for parent in _models_above(model)):
            made["required"] = [*made.get("required", ()), "obj_type"]
    return reference


def _models_above(model: type[DeclaredModel]) -> list[type[DeclaredModel]]:
    return [each for each in model.__mro__[1:] if issubclass(each, DeclaredModel)]


def _any_of(members: Iterable[JsonSchema], ret: JsonSchema) -> JsonSchema:
    found = list(members)
    if ret.pop("nullable", False):
        # Only beside a type does OpenAPI 3.0 know a null.
        found.append({"type": "object", "nullable": True, "enum": [None]})
    return {"anyOf": found}


def keys_in_words(view_cls: type[ViewModel], slot: str | None = None) -> str:
    """The keys of a list's views, in words.

    :param slot: what varies; ``None`` of a list that is shown in a way of its own.
    """
    try:
        subject = ViewSubject(view_cls)
    except ConfigurationError:
        return "the ids of their roots"
    if slot is None or subject.is_document:
        by_path = subject.is_document and subject.model.keyed_by_path()
        return f"the {'path' if by_path else 'id'}s of their roots"
    if slot not in subject.models:
        return f"the {slot}"
    return f"the {'path' if subject.models[slot].keyed_by_path() else 'id'} of the {slot}"
