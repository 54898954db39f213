"""The JSON form of values: what is shown of them, and which of them JSON cannot say."""

from __future__ import annotations

import base64
import datetime
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import fields

from flask_boiler.errors import StoredDataError
from flask_boiler.firestore.native import BaseDocumentReference, GeoPoint, Vector
from flask_boiler.ground.json_text import json_text
from flask_boiler.models.declared_model import DeclaredModel

__all__ = ["NoJsonError", "checked_json", "json_form", "number_form"]


class NoJsonError(StoredDataError):
    """A value cannot be shown, as JSON has not what it would be."""


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
    return value.schema().dump(value) if isinstance(value, DeclaredModel) else value


_JSON_FORMS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    str: lambda value: value,
    enum.Enum: lambda member: member.value,
    float: lambda number: number if math.isfinite(number) else None,
    datetime.datetime: lambda moment: moment.isoformat(),
    bytes: lambda data: base64.b64encode(data).decode("ascii"),
    BaseDocumentReference: lambda reference: reference.path,
    GeoPoint: lambda point: json_form({"latitude": point.latitude, "longitude": point.longitude}),
    Vector: lambda vector: json_form(list(vector)),
}


def number_form(field: fields.Field[Any], value: Any, attr: str | None) -> Any:
    """The JSON form of a value of a field that promises numbers.

    :raises StoredDataError: there is a number in it that JSON has not, and null is not of the type.
    """
    if not _lacks_json(value):
        return json_form(value)
    if field.allow_none:
        return None
    said = f"JSON has no {value!r:.60}. With a type that includes None, it is shown as null."
    raise NoJsonError({attr or "": [said]})


def checked_json(field: fields.Field[Any], value: Any, attr: str) -> Any:
    """The value that an application's own field made, if it is JSON.

    :raises StoredDataError: it is not.
    """
    try:
        json_text(value)
    except TypeError as error:
        raise NoJsonError(
            {attr: [f"{type(field).__name__} gives a value that is not JSON."]}
        ) from error
    except ValueError:
        return number_form(field, value, attr)
    return value


def _lacks_json(value: Any) -> bool:
    """Whether there is a number in a value that JSON has not."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_lacks_json, value.values()))
    if isinstance(value, list | tuple | Vector):
        return any(map(_lacks_json, value))
    if isinstance(value, enum.Enum):
        return _lacks_json(value.value)
    return isinstance(value, GeoPoint) and _lacks_json((value.latitude, value.longitude))
