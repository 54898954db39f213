"""The parameters of a list: filters, order, and pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import marshmallow
from werkzeug.datastructures import MultiDict

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.kinds.choice_kinds import OptionalKind, UnionKind
from flask_boiler.attrs.kinds.container_kinds import DictKind, ListKind, ManyKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.through import ThroughAttr
from flask_boiler.errors import BoilerError, ConfigurationError
from flask_boiler.ground.naming import nearest
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.models.schema.json_fields import AnyField, RelatedField, UnionField
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "PAGING",
    "ListQuery",
    "PageQuery",
    "filterable",
    "is_textual",
    "takes_null",
]

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
_NULL = "null"
PAGING = ("limit", "page_token", "order_by")


def filterable(
    view_cls: type[ViewModel], model: type[DomainModel], slot: str, named: Sequence[str] = ()
) -> dict[str, Attr[Any]]:
    """The root's attributes that a client may filter and order by, by the names of parameters.

    Those that the view shows and declares to pass through, by its own field names; whoever may
    filter or order by a field can find out its value, so what a view does not show, or shows in
    another form, has to be named.

    :param model: the model of the root.
    :param slot: the slot that holds the root.
    :param named: further attributes of the root, by attribute name.
    :raises ConfigurationError: the root has no such attribute, or no query can ask for it.
    """
    found = {name: _named(model, name) for name in named}
    fields = {attribute.data_key: attribute for attribute in found.values()}
    for attribute in view_cls.attributes().values():
        target = _passed_through(attribute, slot)
        if target is None or attribute.data_key in PAGING:
            continue
        if fields.setdefault(attribute.data_key, target) is not target:
            raise ConfigurationError(
                f"lists of {view_cls.__name__} would take two attributes as "
                f"{attribute.data_key!r}: {target!r}, which the view passes through, and "
                f"{fields[attribute.data_key]!r}, which filters= names: leave that out, or give "
                "the view's another data_key"
            )
    return fields


def _passed_through(attribute: Attr[Any], slot: str) -> Attr[Any] | None:
    """The attribute of the root that one of the view shows as it is stored, if there is one."""
    if not (isinstance(attribute, ThroughAttr) and attribute.is_unchanged):
        return None
    target = attribute.target
    shown = attribute.options.export_enabled and attribute.slot_name == slot
    return target if shown and _is_stored(target) and not _embeds(target.kind) else None


def _embeds(kind: Kind) -> bool:
    """Whether documents have other documents inside, which may have more than their class shows.

    What is not shown would sort a list as well.
    """
    match kind:
        case EmbedKind():
            return True
        case OptionalKind():
            return _embeds(kind.inner)
        case UnionKind():
            return any(map(_embeds, kind.kinds))
        case ListKind() | DictKind() | ManyKind():
            return _embeds(kind.of)
    return False


def _named(model: type[DomainModel], name: str) -> Attr[Any]:
    known = model.attributes()
    if name not in known:
        raise ConfigurationError(
            f"filters: {model.__name__} has no attribute {name!r}{nearest(name, known)}"
        )
    attribute = known[name]
    if not _is_stored(attribute) or attribute.data_key in PAGING:
        raise ConfigurationError(
            f"filters= names {attribute!r}, by which no list can be filtered: "
            + (
                f"{attribute.data_key!r} is a parameter of every list; give it another data_key"
                if _is_stored(attribute)
                else "it is not stored"
            )
        )
    return attribute


def _is_stored(attribute: Attr[Any]) -> bool:
    return attribute.options.export_enabled and not attribute.computed


def is_textual(field: marshmallow.fields.Field[Any]) -> bool:
    """Whether a parameter can say the field's values: not objects, and not arrays."""
    if isinstance(field, UnionField):
        return all(map(is_textual, field.members))
    if isinstance(field, RelatedField):
        # Its path says which.
        return True
    known = marshmallow.fields
    return not isinstance(field, known.Mapping | known.List | known.Tuple | known.Nested)


class PageQuery:
    """The page that the parameters of a list ask for.

    :param known: the parameters that there are.
    :raises Refusal: naming each parameter that is unknown or wrong.
    """

    def __init__(
        self, arguments: MultiDict[str, str], known: Sequence[str] = ("limit", "page_token")
    ) -> None:
        self._known = known
        self._wrong: dict[str, list[str]] = {}
        self._check_names(arguments)
        self.limit = self._limit(arguments.get("limit"))
        self.page_token = arguments.get("page_token")
        self._read(arguments)
        if self._wrong:
            raise Refusal(400, "The parameters are not valid.", errors=self._wrong)

    def _read(self, arguments: MultiDict[str, str]) -> None:
        """Read what else there is."""

    def _check_names(self, arguments: MultiDict[str, str]) -> None:
        for name in arguments:
            if name not in self._known:
                known = ", ".join(self._known)
                hint = nearest(name, self._known)
                self._wrong[name] = [f"Unknown parameter{hint} (known are: {known})."]
            elif len(arguments.getlist(name)) > 1:
                self._wrong[name] = ["Given more than once."]

    def _limit(self, text: str | None) -> int:
        if text is None:
            return DEFAULT_LIMIT
        if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT:
            return int(text)
        self._wrong["limit"] = [f"Expected a number from 1 to {MAX_LIMIT}."]
        return DEFAULT_LIMIT


class ListQuery(PageQuery):
    """The query that the parameters of a list ask.

    :raises Refusal: naming each parameter that is unknown or wrong.
    """

    def __init__(
        self,
        model: type[DomainModel],
        fields: Mapping[str, Attr[Any]],
        arguments: MultiDict[str, str],
    ) -> None:
        self._fields = fields
        schema = model.schema()
        # A field that no text can say may still be sorted by.
        self._said = {
            name: schema.fields[attribute.attribute_name]
            for name, attribute in fields.items()
            if is_textual(schema.fields[attribute.attribute_name])
        }
        #: What is asked of the roots.
        self.query: Query[Any] = model.get_query()
        super().__init__(arguments, [*self._said, *PAGING])

    def _read(self, arguments: MultiDict[str, str]) -> None:
        for field in self._said:
            if field in arguments:
                self.query = self._filtered(self.query, field, arguments[field])
        self.query = self._ordered(self.query, arguments.get("order_by"))

    def _filtered(self, query: Query[Any], field: str, text: str) -> Query[Any]:
        attribute = self._fields[field]
        try:
            value = _value(self._said[field], text)
            return query.where(attribute == value)
        except marshmallow.ValidationError as error:
            self._wrong[field] = [str(message) for message in error.messages]
        except BoilerError as error:
            self._wrong[field] = [str(error)]
        return query

    def _ordered(self, query: Query[Any], text: str | None) -> Query[Any]:
        if text is None:
            return query
        ordered = set()
        for criterion in text.split(","):
            field = criterion.removeprefix("-")
            attribute = self._fields.get(field)
            if field in ordered:
                # What is equal in a field is equal in it still.
                continue
            ordered.add(field)
            if attribute is None:
                known = ", ".join(self._fields) or "none"
                hint = nearest(field, self._fields)
                self._wrong["order_by"] = [
                    f"Unknown field {criterion!r}{hint} (known are: {known})."
                ]
                return query
            query = query.order_by(attribute, descending=criterion.startswith("-"))
        return query


def takes_null(field: marshmallow.fields.Field[Any]) -> bool:
    """Whether the parameter ``null`` asks for null, rather than for a text."""
    if not field.allow_none or type(field) is AnyField:
        return False
    try:
        field.deserialize(_NULL)
    except marshmallow.ValidationError:
        return True
    return False


def _value(field: marshmallow.fields.Field[Any], text: str) -> Any:
    """The value that a parameter says: the text itself, or what it is as JSON.

    A field without a type takes what is a JSON number, ``true``, ``false``, ``null`` or a
    quoted text as that.
    """
    literal = _literal(text)
    if type(field) is AnyField:
        return literal
    try:
        return field.deserialize(text)
    except marshmallow.ValidationError:
        if isinstance(literal, str):
            raise
        return field.deserialize(literal)


def _literal(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=lambda name: text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value
