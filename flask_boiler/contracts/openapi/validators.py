"""The demands of validators and defaults on a field's values, as OpenAPI 3.0.3 has them.

apispec says it, too, but loses some of it, and fails at what no set can hold. What OpenAPI cannot
say is said in words, in the description.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import marshmallow
from marshmallow import fields, validate

from flask_boiler.contracts.openapi.patterns import ecma_pattern
from flask_boiler.ground.json_text import json_text
from flask_boiler.models.schema import json_fields

__all__ = ["REPLACED", "validated"]

JsonSchema = dict[str, Any]
Field = fields.Field[Any]

#: The functions of apispec's that this takes the place of.
REPLACED = ("field2choices", "field2default", "field2length", "field2pattern", "field2range")

#: Fields whose values are their own JSON.
_LITERAL = (
    *(json_fields.AnyField, json_fields.BooleanField, json_fields.IntegerField),
    *(json_fields.NumberField, json_fields.ReferenceField, json_fields.IntegerTextField),
    *(fields.Float, fields.Integer, fields.Boolean),
)
_NUMBERS = (fields.Float, fields.Integer, fields.Decimal)


def validated(field: Field, described: JsonSchema) -> JsonSchema:
    """The schema of a field's values with what its validators demand, and its default.

    :param described: the schema without these.
    """
    made = dict(described)
    said: list[str] = []
    for validator in _flattened(field.validators):
        _tell(field, validator, made, said)
    _add_null(field, made)
    if said:
        made["description"] = " ".join([*filter(None, [made.get("description")]), *said])
    default = _default(field)
    if default is not marshmallow.missing:
        made["default"] = default
    return made


def _flattened(validators: Iterable[Any]) -> Iterator[Any]:
    for validator in validators:
        if isinstance(validator, validate.And):
            yield from _flattened(validator.validators)
        else:
            yield validator


def _tell(field: Field, validator: Any, made: JsonSchema, said: list[str]) -> None:
    match validator:
        case validate.ContainsOnly():
            _tell_items(field, {"enum": _forms(_inner(field), validator.choices)}, made, said)
        case validate.ContainsNoneOf():
            unwanted = {"not": {"enum": _forms(_inner(field), validator.iterable)}}
            _tell_items(field, unwanted, made, said)
        case validate.OneOf():
            _tell_choices(field, validator.choices, made, said)
        case validate.Equal():
            _tell_choices(field, [validator.comparable], made, said)
        case validate.NoneOf():
            _tell_unwanted(field, validator.iterable, made, said)
        case validate.Range():
            _tell_range(field, validator, made, said)
        case validate.Length():
            _tell_length(field, validator, made, said)
        case validate.Regexp():
            _tell_pattern(field, validator.regex, made, said)


# -- some values


def _tell_choices(field: Field, choices: Iterable[Any], made: JsonSchema, said: list[str]) -> None:
    if not _is_literal(field):
        said.append(f"One of {_listed(choices)}.")
        return
    forms = _forms(field, choices)
    if "enum" in made:
        forms = [form for form in forms if any(_same(form, other) for other in made["enum"])]
    if forms or field.allow_none:
        made["enum"] = forms
    else:
        # No value is taken; an enumeration of nothing is not allowed.
        made["not"] = {}


def _tell_unwanted(
    field: Field, unwanted: Iterable[Any], made: JsonSchema, said: list[str]
) -> None:
    if not _is_literal(field):
        said.append(f"None of {_listed(unwanted)}.")
    elif forms := [
        # Validators are not asked about null.
        form
        for form in _forms(field, unwanted)
        if not (form is None and field.allow_none)
    ]:
        _demand(made, {"not": {"enum": forms}})


def _tell_items(field: Field, demanded: JsonSchema, made: JsonSchema, said: list[str]) -> None:
    """Tell what is demanded of each item of an array."""
    inner = _inner(field)
    items = made.get("items")
    if inner is None or items is None or not _is_literal(inner):
        said.append("Its content is restricted further.")
    elif demanded.get("enum") == []:
        made["maxItems"] = 0
    elif demanded != {"not": {"enum": []}}:
        made["items"] = {"allOf": [items]} if "$ref" in items else dict(items)
        _demand(made["items"], demanded)


def _demand(made: JsonSchema, demanded: JsonSchema) -> None:
    """Have a schema demand something more."""
    if made.keys() & demanded.keys():
        made["allOf"] = [*made.get("allOf", []), demanded]
    else:
        made.update(demanded)


def _inner(field: Field) -> Field | None:
    return field.inner if isinstance(field, fields.List) else None


def _is_literal(field: Field | None) -> bool:
    """Whether each value of a field has one spelling in JSON."""
    if isinstance(field, fields.List):
        return _is_literal(field.inner)
    if isinstance(field, fields.Dict):
        return field.value_field is None or _is_literal(field.value_field)
    return type(field) is fields.String or isinstance(field, _LITERAL)


def _forms(field: Field | None, values: Iterable[Any]) -> list[Any]:
    """The JSON of values that validators compare with, each once; what JSON has not is left out."""
    found: list[Any] = []
    for value in values:
        for form in _form(field, value):
            if not any(_same(form, other) for other in found):
                found.append(form)
    return found


def _form(field: Field | None, value: Any) -> Iterator[Any]:
    try:
        form = value if field is None else field._serialize(value, None, None)
        json_text(form)
    except Exception:
        # It is nothing that this field can ever have.
        return
    if form is None and value is not None:
        return
    yield form
    if type(field) is json_fields.AnyField and isinstance(form, bool | int | float):
        # For Python, and so for the validator, 1 is True.
        yield from (
            (int(form),) if isinstance(form, bool) else (bool(form),) if form in (0, 1) else ()
        )


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    return bool(one == other)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)


# -- ranges, lengths, patterns


def _tell_range(field: Field, asked: Any, made: JsonSchema, said: list[str]) -> None:
    for bound, inclusive, name, words in (
        (asked.min, asked.min_inclusive, "minimum", ("Not less than", "More than")),
        (asked.max, asked.max_inclusive, "maximum", ("Not more than", "Less than")),
    ):
        if bound is None or (isinstance(bound, float) and not math.isfinite(bound)):
            # Every number of JSON is within infinite bounds.
            continue
        if isinstance(field, _NUMBERS) and made.get("type") != "string":
            _bound(made, name, bound, exclusive=not inclusive)
        else:
            said.append(f"{words[not inclusive]} {_shown(field, bound)}.")


def _bound(made: JsonSchema, name: str, bound: Any, *, exclusive: bool) -> None:
    number = bound if isinstance(bound, int) else float(bound)
    known = made.get(name)
    exclusively = f"exclusive{name.capitalize()}"
    if known is not None:
        weaker = number < known if name == "minimum" else number > known
        if weaker or (number == known and not exclusive):
            return
    made[name] = number
    made.pop(exclusively, None)
    if exclusive:
        made[exclusively] = True


def _tell_length(field: Field, asked: Any, made: JsonSchema, said: list[str]) -> None:
    least, most = asked.min, asked.max
    if asked.equal is not None:
        least = most = asked.equal
    unit = _unit(field)
    if unit is None:
        bounds = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (
            most is not None
        )
        said.append(f"Its length is {' and '.join(bounds)}.")
        return
    for name in unit:
        if least is not None:
            made[f"min{name}"] = max(least, made.get(f"min{name}", least), 0)
        if most is not None:
            made[f"max{name}"] = min(most, made.get(f"max{name}", most))


def _unit(field: Field) -> tuple[str, ...] | None:
    """The unit that a length counts, if that is seen in JSON."""
    if isinstance(field, fields.List | fields.Tuple) or (
        isinstance(field, fields.Nested) and field.many
    ):
        return ("Items",)
    if isinstance(field, fields.Mapping):
        return ("Properties",)
    if type(field) in (fields.String, json_fields.ReferenceField, fields.Email, fields.URL):
        return ("Length",)
    if type(field) in (json_fields.AnyField, fields.Raw):
        return ("Length", "Items", "Properties")
    return None


def _tell_pattern(field: Field, regex: re.Pattern[Any], made: JsonSchema, said: list[str]) -> None:
    pattern = ecma_pattern(regex) if isinstance(regex.pattern, str) else None
    if pattern is None or type(field) not in (fields.String, json_fields.ReferenceField):
        flags = re.RegexFlag(regex.flags & ~re.UNICODE)
        with_flags = f" ({flags.name})" if flags else ""
        said.append(f"Matches Python's regular expression {regex.pattern}{with_flags}.")
        return
    _demand(made, {"pattern": pattern})


def _shown(field: Field, value: Any) -> Any:
    try:
        return field._serialize(value, None, None)
    except Exception:
        # What a field makes of a bound is its own affair; the bound is told as it is.
        return value


# -- null and the default


def _add_null(field: Field, made: JsonSchema) -> None:
    if not field.allow_none:
        return
    if "enum" in made and not any(value is None for value in made["enum"]):
        made["enum"] = [*made["enum"], None]


def _default(field: Field) -> Any:
    if "default" in field.metadata:
        return field.metadata["default"]
    default = field.load_default
    if default is marshmallow.missing or callable(default):
        return marshmallow.missing
    try:
        form = field._serialize(default, None, None)
        json_text(form)
    except Exception:
        # One that JSON has not; whoever leaves the field out gets it all the same.
        return marshmallow.missing
    return marshmallow.missing if form is None and default is not None else form
