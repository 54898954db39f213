"""From what a caller names to stored fields: attributes, their names, conditions."""

from __future__ import annotations

from typing import Any

from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.errors import QueryError
from flask_boiler.firestore.field_path import field_path
from flask_boiler.firestore.query_rules import NAME
from flask_boiler.model_options import METADATA, nearest
from flask_boiler.query.condition import Condition
from flask_boiler.values import FieldFilter, Filter, Order

__all__ = ["cursor_value", "equality", "filter_of", "order_by", "stored_path"]

#: What may be asked for without being an attribute: a document's id is its name.
_DOCUMENT_ID = frozenset({"doc_id", NAME})


def stored_path(model_cls: Any, field: Any) -> str:
    """The stored path of an attribute, given as such or by its (dotted) name.

    :raises QueryError: there is none.
    """
    if isinstance(field, FieldOperators):
        return field.stored_path
    if not isinstance(field, str) or not field:
        raise QueryError(f"{field!r:.80} is no attribute of {model_cls.__name__}")
    first, *rest = field.split(".")
    attribute: Any = model_cls.attributes().get(first)
    if attribute is None:
        if field in _DOCUMENT_ID:
            return NAME
        if field not in METADATA:
            _require_extra(model_cls, first)
        return field_path(first, *rest)
    for part in rest:
        attribute = attribute[part]
    return str(attribute.stored_path)


def filter_of(condition: Any) -> Filter:
    """The filter of a condition.

    :raises QueryError: it is none, with how one is made.
    """
    if isinstance(condition, Condition):
        return condition.filter
    raise QueryError(
        f"where() got {condition!r:.80}, which is no condition: compare an attribute of the class, "
        "as in City.population > 1_000_000, or give keywords, as in where(country='USA')"
    )


def equality(model_cls: Any, name: str, value: Any) -> Filter:
    """The filter that a keyword of ``where`` means.

    :raises QueryError: the model has no such attribute and keeps no undeclared fields, or the
        attribute can never have the value.
    """
    attribute = model_cls.attributes().get(name)
    if attribute is not None:
        return filter_of(attribute == value)
    return FieldFilter(stored_path(model_cls, name), "==", value)


def order_by(model_cls: Any, field: Any, *, descending: bool) -> Order:
    """One criterion, from an attribute or its name; ``-`` before a name turns it around."""
    if isinstance(field, str) and field.startswith("-"):
        return Order(stored_path(model_cls, field[1:]), not descending)
    return Order(stored_path(model_cls, field), descending)


def cursor_value(model_cls: Any, field: str, value: Any) -> Any:
    """The stored form of a position in a field's order.

    :raises ValidationError: the attribute can never have the value.
    """
    for attribute in model_cls.attributes().values():
        if attribute.options.export_enabled and attribute.stored_path == field:
            return None if value is None else attribute.to_stored(value)
    return value


def _require_extra(model_cls: Any, name: str) -> None:
    if model_cls.meta("extra") == "keep":
        return
    raise QueryError(
        f"{model_cls.__name__} has no attribute {name!r}{nearest(name, model_cls.attributes())}"
    )
