"""The stored fields that a caller names: by attributes, by their names, or in conditions.

A name is that of an attribute of the model, or of a class below it that shares the collection.
Whatever no class declares is asked for by :class:`~flask_boiler.F`, so a misspelled name is
an error and never a query that finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.condition import Condition
from flask_boiler.attrs.operators import F, FieldOperators
from flask_boiler.errors import QueryError
from flask_boiler.firestore.query_rules import NAME
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import Filter, Order
from flask_boiler.models.collection import CollectionModel
from flask_boiler.models.model_options import METADATA

__all__ = [
    "Named",
    "cursor_value",
    "equality",
    "filter_of",
    "named_field",
    "order_by",
    "stored_path",
]

#: What may be asked for without being an attribute: a document's id is its name.
_DOCUMENT_ID = frozenset({"doc_id", NAME})


class Named(NamedTuple):
    """A field that a caller named.

    :param only: the name of the attribute, if classes below the model alone have it.
    """

    field: FieldOperators
    only: str | None = None


def named_field(model_cls: Any, named: Any) -> Named:
    """The field of an attribute, given as such or by its (dotted) name, or of an ``F``.

    :raises QueryError: there is none; the nearest name is told.
    """
    if isinstance(named, FieldOperators):
        _require_related(model_cls, named._declared_by(), named)
        return Named(named)
    if not isinstance(named, str) or not named:
        raise QueryError(f"{named!r:.80} is not an attribute of {model_cls.__name__}")
    first, *rest = named.split(".")
    found = _by_name(model_cls, first, named)
    field: FieldOperators = found.field
    for part in rest:
        field = field[part]
    return found._replace(field=field)


def stored_path(model_cls: Any, named: Any) -> str:
    """The stored path of what ``named_field`` finds.

    :raises QueryError: there is none, or it is not stored.
    """
    return named_field(model_cls, named).field.stored_path


def filter_of(model_cls: Any, condition: Any) -> Filter:
    """The filter of a condition.

    :raises QueryError: it is none, with how one is made; or it is about another class.
    """
    if isinstance(condition, Condition):
        for declared_by in condition.declared_by:
            _require_related(model_cls, declared_by, condition)
        return condition.filter
    raise QueryError(
        f"where() got {condition!r:.80}, which is not a condition: compare an attribute of the "
        "class, as in City.population > 1_000_000, or give keywords, as in where(country='USA')"
    )


def equality(model_cls: Any, name: str, value: Any) -> tuple[Filter, str | None]:
    """The filter that a keyword of ``where`` means, and the attribute that it narrows to.

    :raises QueryError: there is no such attribute, or it can never have the value.
    """
    found = named_field(model_cls, name)
    condition: Any = found.field == value
    return condition.filter, found.only


def order_by(model_cls: Any, named: Any, *, descending: bool) -> tuple[Order, str | None]:
    """One criterion, from a field or its name; ``-`` before a name turns it around.

    With it comes the attribute that it narrows to.

    :raises QueryError: there is no such attribute.
    """
    if isinstance(named, str) and named.startswith("-"):
        named, descending = named[1:], not descending
    found = named_field(model_cls, named)
    return Order(found.field.stored_path, descending), found.only


def cursor_value(model_cls: Any, field: str, value: Any) -> Any:
    """The stored form of a position in a field's order.

    :raises ValidationError: the attribute can never have the value.
    """
    for attributes in (model_cls.attributes(), *_below(model_cls)):
        for attribute in attributes.values():
            if attribute.options.export_enabled and attribute.stored_path == field:
                return None if value is None else attribute.to_stored(value)
    return value


def _below(model_cls: Any) -> list[Mapping[str, Attr[Any]]]:
    """The attributes of the model and of each class below it that shares its collection."""
    if not issubclass(model_cls, CollectionModel):
        return [model_cls.attributes()]
    return [model.attributes() for model in model_cls.collection_classes()]


def _by_name(model_cls: Any, name: str, whole: str) -> Named:
    attribute = model_cls.attributes().get(name)
    if attribute is not None:
        return Named(attribute)
    if issubclass(model_cls, CollectionModel) and whole in _DOCUMENT_ID:
        return Named(model_cls.doc_id)
    if whole in METADATA:
        _require_stored(model_cls, whole)
        return Named(F(whole))
    below = _below(model_cls)
    found = [attributes[name] for attributes in below if name in attributes]
    if found:
        return Named(_same_field(model_cls, name, found), only=name)
    known = dict.fromkeys(
        (*model_cls.attributes(), "doc_id", *METADATA, *(n for a in below for n in a))
    )
    raise QueryError(f"{model_cls.__name__} has no attribute {_hinted(name, below, known)}")


def _hinted(name: str, below: list[Any], known: Any) -> str:
    field_of = next((n for a in below for n in a if a[n].data_key == name), None)
    if field_of is not None:
        return f"{name!r}: the field with this name is the attribute {field_of!r}"
    return (
        f"{name!r}{nearest(name, known)} (for a field that no attribute declares, write "
        f"F({name!r}), with 'from flask_boiler import F')"
    )


def _same_field(model_cls: Any, name: str, found: list[Attr[Any]]) -> Attr[Any]:
    paths = {attribute.stored_path for attribute in found}
    if len(paths) > 1:
        raise QueryError(
            f"the subclasses of {model_cls.__name__} store {name!r} in different fields "
            f"({', '.join(sorted(paths))}): make the query from one of these classes"
        )
    return found[0]


def _require_stored(model_cls: Any, name: str) -> None:
    if name in model_cls.meta("exclude"):
        raise QueryError(
            f"{model_cls.__name__} does not store {name!r}, because Meta.exclude leaves it out"
        )


def _require_related(model_cls: Any, declared_by: type | None, what: object) -> None:
    """Refuse an attribute of a class that no document of the model's can be of."""
    if declared_by is None or issubclass(model_cls, declared_by):
        return
    if not issubclass(declared_by, model_cls):
        raise QueryError(
            f"{what!r:.80} is an attribute of {declared_by.__name__}, and this is a query of "
            f"{model_cls.__name__}: use an attribute of that class"
        )
