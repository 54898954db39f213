"""How values of each Python type are stored; see :class:`Kind`."""

from __future__ import annotations

import copy
import datetime
import enum
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import marshmallow

from flask_boiler.attrs.validating import Validators
from flask_boiler.firestore.native import (
    BaseDocumentReference,
    GeoPoint,
    Vector,
    copied,
    is_transform,
    same_value,
)
from flask_boiler.ground.callbacks import require_plain
from flask_boiler.ground.errors import DeclarationError, StoredDataError, ValidationError

__all__ = [
    "AnyKind",
    "DictKind",
    "EnumKind",
    "FieldKind",
    "IntegerKind",
    "Kind",
    "ListKind",
    "LiteralKind",
    "LocalTimeKind",
    "Mismatch",
    "OptionalKind",
    "ScalarKind",
    "StoredMismatch",
    "TupleKind",
    "UnionKind",
    "as_integer",
    "collect",
    "mismatch_of",
]


class Mismatch(Exception):
    """A value is not of the declared kind.

    :param messages: what is wrong; by the dotted way to the part concerned if it is a part.
    """

    def __init__(self, messages: str | Mapping[str, Sequence[str]]) -> None:
        super().__init__(messages)
        self.messages: dict[str, list[str]] = (
            {"": [messages]}
            if isinstance(messages, str)
            else {key: list(texts) for key, texts in messages.items()}
        )

    def below(self, name: object) -> dict[str, list[str]]:
        """The messages as seen from what has the value under ``name``."""
        return {f"{name}.{key}" if key else str(name): t for key, t in self.messages.items()}

    def error(self, name: object, *, where: str = "") -> ValidationError:
        """What is told of it to who does not know of kinds.

        :param name: that of the attribute that has the value.
        """
        return ValidationError(self.below(name), where=where)


class StoredMismatch(Mismatch):
    """A value that a document has is not of the declared kind: no fault of any input."""

    def error(self, name: object, *, where: str = "") -> ValidationError:
        """A :class:`~flask_boiler.errors.StoredDataError`."""
        return StoredDataError(self.below(name), where=where)


def mismatch_of(error: ValidationError) -> Mismatch:
    """What is wrong with a part, as seen from what has it."""
    kind = StoredMismatch if isinstance(error, StoredDataError) else Mismatch
    return kind(error.messages)


def collect(items: Sequence[tuple[Any, Any]], convert: Callable[[Any], Any]) -> list[Any]:
    """Every value converted, or one :class:`Mismatch` that tells all that is wrong.

    Of what is stored wrongly, the first is told.

    :param items: names, for the messages, and values.
    """
    wrong: dict[str, list[str]] = {}
    results = []
    for name, value in items:
        try:
            results.append(convert(value))
        except StoredMismatch as mismatch:
            raise StoredMismatch(mismatch.below(name)) from mismatch
        except Mismatch as mismatch:
            wrong.update(mismatch.below(name))
    if wrong:
        raise Mismatch(wrong)
    return results


def shown(value: Any) -> str:
    """A value and its type, short enough for a message."""
    return f"{value!r:.60} ({type(value).__name__})"


class Kind:
    """How the values of one type are stored.

    A value that ``load`` gives shares nothing mutable with the stored one, and neither does
    what ``dump`` gives with the value: so changes in place are seen by comparing.
    """

    #: What messages call it; asked for when it is needed, as models may be declared later.
    label: str = "value"
    #: Whether its parts are attributes, rather than keys that may be anything.
    has_attributes: bool = False
    #: Classes whose direct instances ``load`` gives back as they are.
    taken_as_is: frozenset[type] = frozenset()
    #: Classes whose direct instances ``dump`` gives back as they are.
    stored_as_is: frozenset[type] = frozenset()

    def load(self, stored: Any) -> Any:
        """The Python value of a stored one.

        :raises Mismatch: it is not of this kind.
        """
        raise NotImplementedError

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """What to store for a Python value.

        :param bare: leave out what the framework adds to documents (``obj_type`` …).
        :raises Mismatch: it is not of this kind.
        """
        raise NotImplementedError

    def same(self, value: Any, stored: Any) -> bool:
        """Whether storing a value would leave what is stored as it is.

        A document that others wrote may spell a value in another way, without an embedded
        model's ``obj_type`` for example; reading it must not change it.
        """
        try:
            dumped = self.dump(value)
            return same_value(dumped, stored) or same_value(dumped, self.dump(self.load(stored)))
        except Mismatch:
            return False

    def adopt(self, value: Any) -> Any:
        """A value from outside as an attribute takes it: plain dicts become models, say.

        :raises Mismatch: nothing can be made of it.
        """
        return value

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in a value that ``load`` gave."""
        return ()

    def item(self) -> Kind:
        """The kind of the elements of an array.

        :raises Mismatch: it is no array.
        """
        raise Mismatch(f"{self.label} is not an array")

    def part(self, name: str) -> tuple[str, Kind]:
        """The field name and the kind of a named part.

        :raises KeyError: it has no such part.
        """
        raise KeyError(name)

    @property
    def part_names(self) -> Collection[str]:
        """The names of its parts, as far as they are known."""
        return ()

    def declare_owner(self, owner: type) -> None:
        """Learn which class uses the kind: names of models are looked up near it."""

    def refuse(self, value: Any) -> Mismatch:
        """The error for a value of another kind."""
        return Mismatch(f"expected {self.label}, not {shown(value)}")


_PLAIN = frozenset({type(None), bool, int, float, str, bytes, datetime.datetime})
_STORABLE = (str, bytes, int, float, datetime.datetime, BaseDocumentReference, GeoPoint, Vector)


class AnyKind(Kind):
    """Whatever Firestore can store."""

    label = "any value"
    taken_as_is = frozenset({bool, int, float, str, bytes, datetime.datetime})
    stored_as_is = taken_as_is

    def load(self, stored: Any) -> Any:
        """The value itself; its arrays and maps are copies."""
        return stored if type(stored) in _PLAIN else copied(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The value itself, its arrays and maps copied, enums and models in their stored form."""
        if type(value) in _PLAIN or is_transform(value):
            return value
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, Mapping):
            return _ANY_DICT.dump(value, bare=bare)
        if isinstance(value, list | tuple):
            return _ANY_LIST.dump(value, bare=bare)
        if isinstance(value, bytearray):
            return bytes(value)
        if isinstance(value, _STORABLE):
            return value
        return self._dump_model(value, bare=bare)

    def _dump_model(self, value: Any, *, bare: bool) -> Any:
        from flask_boiler.attrs.kinds.model_kinds import EmbedKind
        from flask_boiler.models.model import Model

        if isinstance(value, Model):
            if not value._is_document:
                return EmbedKind(type(value)).dump(value, bare=bare)
            raise Mismatch(
                f"{shown(value)} is a document of its own: declare attrs.relation() to store a "
                "reference to it, or attrs.embed() to store a copy"
            )
        raise Mismatch(f"Firestore cannot store {shown(value)}")

    def item(self) -> Kind:
        """Anything."""
        return self

    def part(self, name: str) -> tuple[str, Kind]:
        """Anything, under the very name."""
        return name, self


class ScalarKind(Kind):
    """One of Firestore's own types.

    :param types: classes whose instances are taken as they are.
    :param convert: makes what is stored of an instance, and what is read of a stored one.
    """

    def __init__(
        self,
        label: str,
        *types: type,
        convert: Callable[[Any], Any] | None = None,
        read: Callable[[Any], Any] | None = None,
    ) -> None:
        self.label = label
        self.types = types
        self.taken_as_is = frozenset(types) if read is None else frozenset()
        self.stored_as_is = frozenset(types) if convert is None else frozenset()
        self._convert = convert
        self._read = read

    def accepts(self, value: Any) -> bool:
        """Whether it is an instance; ``True`` and ``False`` are no numbers."""
        return isinstance(value, self.types) and (bool in self.types or value.__class__ is not bool)

    def load(self, stored: Any) -> Any:
        """The stored value itself."""
        if type(stored) in self.taken_as_is:
            return stored
        if not self.accepts(stored):
            raise self.refuse(stored)
        return stored if self._read is None else self._read(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The value itself."""
        if not self.accepts(value):
            raise self.refuse(value)
        return value if self._convert is None else self._convert(value)

    def __repr__(self) -> str:
        return f"<ScalarKind {self.label}>"


class IntegerKind(ScalarKind):
    """Integers; an integral double is one, too.

    Firestore makes doubles of integers: an ``Increment`` on a double does, and so do languages
    that have one type for both.
    """

    def __init__(self) -> None:
        super().__init__("int", int)

    def load(self, stored: Any) -> Any:
        """The integer."""
        return super().load(as_integer(stored))

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The integer."""
        return super().dump(as_integer(value), bare=bare)


def as_integer(value: Any) -> Any:
    """The integer that a double is; any other value, and one beyond 64 bits, as it is."""
    if isinstance(value, float) and value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return int(value)
    return value


class OptionalKind(Kind):
    """A kind, or ``None``."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.has_attributes = inner.has_attributes

    @property
    def label(self) -> str:  # type: ignore[override]
        """The inner kind's, and ``None``."""
        return f"{self.inner.label} or None"

    def load(self, stored: Any) -> Any:
        """``None`` for null."""
        return None if stored is None else self.inner.load(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """Null for ``None``."""
        return None if value is None else self.inner.dump(value, bare=bare)

    def same(self, value: Any, stored: Any) -> bool:
        """As the inner kind does."""
        if value is None or stored is None:
            return value is stored
        return self.inner.same(value, stored)

    def adopt(self, value: Any) -> Any:
        """As the inner kind does."""
        return None if value is None else self.inner.adopt(value)

    def models_in(self, value: Any) -> Iterable[Any]:
        """The inner kind's."""
        return self.inner.models_in(value)

    def item(self) -> Kind:
        """The inner kind's."""
        return self.inner.item()

    def part(self, name: str) -> tuple[str, Kind]:
        """The inner kind's."""
        return self.inner.part(name)

    @property
    def part_names(self) -> Collection[str]:
        """The inner kind's."""
        return self.inner.part_names


class UnionKind(Kind):
    """Any of several kinds; the one whose own the value is, or else the first that fits."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)

    @property
    def label(self) -> str:  # type: ignore[override]
        """All of them."""
        return " or ".join(kind.label for kind in self.kinds)

    def load(self, stored: Any) -> Any:
        """By the first kind that can, unless the value is another one's own."""
        if any(type(stored) in kind.taken_as_is for kind in self.kinds):
            return stored
        return self._first(stored, lambda kind: kind.load(stored))

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """By the first kind that can, unless the value is another one's own."""
        if any(type(value) in kind.stored_as_is for kind in self.kinds):
            return value
        return self._first(value, lambda kind: kind.dump(value, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """Those of whichever kind it is."""
        return (model for kind in self.kinds for model in kind.models_in(value))

    def _first(self, value: Any, convert: Callable[[Kind], Any]) -> Any:
        for kind in self.kinds:
            try:
                return convert(kind)
            except StoredMismatch:
                # It is of this kind; what is wrong lies in it.
                raise
            except Mismatch:
                continue
        raise self.refuse(value)


class LiteralKind(Kind):
    """One of a few values."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)
        self.label = "one of " + ", ".join(repr(value) for value in self.values)

    def load(self, stored: Any) -> Any:
        """The literal."""
        return self.dump(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The literal; an integral double is an integer here, too."""
        # 1 == True, but they are not the same literal.
        for candidate in (value, as_integer(value)):
            if any(candidate == known and type(candidate) is type(known) for known in self.values):
                return candidate
        raise self.refuse(value)


class EnumKind(Kind):
    """The members of an enum, stored by value."""

    def __init__(self, enumeration: type[enum.Enum]) -> None:
        self.enumeration = enumeration
        members = ", ".join(repr(member.value) for member in enumeration)
        self.label = f"{enumeration.__name__} (one of {members})"

    def load(self, stored: Any) -> Any:
        """The member with that value."""
        try:
            return self.enumeration(stored)
        except ValueError:
            raise self.refuse(stored) from None

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The member's value; a value that has a member is taken too."""
        return self.load(value).value


class ListKind(Kind):
    """Arrays."""

    def __init__(self, of: Kind) -> None:
        self.of = of

    @property
    def label(self) -> str:  # type: ignore[override]
        """A list, and of what."""
        return "a list" if isinstance(self.of, AnyKind) else f"a list of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A list of the loaded items."""
        if not isinstance(stored, list):
            raise self.refuse(stored)
        return collect(list(enumerate(stored)), self.of.load)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """A list of the dumped items."""
        if not isinstance(value, list | tuple):
            raise self.refuse(value)
        return collect(list(enumerate(value)), lambda item: self.of.dump(item, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """Those of all items."""
        items = value if isinstance(value, list | tuple) else ()
        return (model for item in items for model in self.of.models_in(item))

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for every item."""
        if not isinstance(value, list | tuple) or not isinstance(stored, list):
            return False
        pairs = zip(value, stored, strict=False)
        return len(value) == len(stored) and all(self.of.same(v, s) for v, s in pairs)

    def adopt(self, value: Any) -> Any:
        """A list of the adopted items."""
        if not isinstance(value, list | tuple):
            raise self.refuse(value)
        return collect(list(enumerate(value)), self.of.adopt)

    def item(self) -> Kind:
        """The kind of the items."""
        return self.of


class TupleKind(ListKind):
    """Arrays that are tuples in Python."""

    def load(self, stored: Any) -> Any:
        """A tuple of the loaded items."""
        return tuple(super().load(stored))


class DictKind(Kind):
    """Maps with arbitrary keys."""

    def __init__(self, of: Kind) -> None:
        self.of = of

    @property
    def label(self) -> str:  # type: ignore[override]
        """A dict, and of what."""
        return "a dict" if isinstance(self.of, AnyKind) else f"a dict of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A dict of the loaded values."""
        if not isinstance(stored, Mapping):
            raise self.refuse(stored)
        return self._map(stored, self.of.load)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """A dict of the dumped values."""
        if not isinstance(value, Mapping):
            raise self.refuse(value)
        wrong = [key for key in value if not isinstance(key, str) or not key]
        if wrong:
            raise Mismatch(f"a key must be a string that is not empty, not {shown(wrong[0])}")
        return self._map(value, lambda v: v if is_transform(v) else self.of.dump(v, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """Those of all values."""
        items = value.values() if isinstance(value, Mapping) else ()
        return (model for item in items for model in self.of.models_in(item))

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for every value."""
        if not isinstance(value, Mapping) or not isinstance(stored, Mapping):
            return False
        return value.keys() == stored.keys() and all(
            self.of.same(item, stored[key]) for key, item in value.items()
        )

    def adopt(self, value: Any) -> Any:
        """A dict of the adopted values."""
        if not isinstance(value, Mapping):
            raise self.refuse(value)
        return self._map(value, self.of.adopt)

    def part(self, name: str) -> tuple[str, Kind]:
        """The kind of the values, under the very name."""
        return name, self.of

    def _map(self, values: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
        return dict(zip(values, collect(list(values.items()), convert), strict=True))


_ANY_LIST = ListKind(AnyKind())
_ANY_DICT = DictKind(AnyKind())


class LocalTimeKind(Kind):
    """Naive times of one time zone, stored as timestamps."""

    label = "a naive datetime"

    def __init__(self, zone: datetime.tzinfo) -> None:
        self.zone = zone

    def load(self, stored: Any) -> Any:
        """The wall clock in the zone at that moment."""
        if not isinstance(stored, datetime.datetime):
            raise Mismatch(f"expected a timestamp, not {shown(stored)}")
        return self._clock(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The moment when the zone's clocks show that time; ``fold`` tells two apart."""
        if not isinstance(value, datetime.datetime) or value.tzinfo is not None:
            raise self.refuse(value)
        try:
            moment = value.replace(tzinfo=self.zone).astimezone(datetime.UTC)
        except OverflowError as error:
            raise self._beyond(value) from error
        if self._clock(moment) != value.replace(tzinfo=None):
            name = self.zone.key if isinstance(self.zone, ZoneInfo) else str(self.zone)
            raise Mismatch(f"{value.isoformat()} does not exist in {name}: the clocks skip it")
        return moment

    def _clock(self, moment: datetime.datetime) -> datetime.datetime:
        try:
            return moment.astimezone(self.zone).replace(tzinfo=None)
        except OverflowError as error:
            raise self._beyond(moment) from error

    def _beyond(self, value: datetime.datetime) -> Mismatch:
        return Mismatch(f"{value.isoformat()} is not in the years 1 to 9999 everywhere")


class FieldKind(Kind):
    """What a marshmallow field makes of values.

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
        """What the field deserializes; its validators have passed."""
        try:
            return self.field.deserialize(stored)
        except marshmallow.ValidationError as error:
            raise Mismatch(flattened(error.messages)) from error

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """What the field serializes, which must be something that it deserializes too."""
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
        """Whatever lies under the very name."""
        return name, AnyKind()

    def item(self) -> Kind:
        """Anything."""
        return AnyKind()


def flattened(messages: Any, way: str = "") -> dict[str, list[str]]:
    """Marshmallow's nested messages by the dotted way to the part concerned."""
    if isinstance(messages, str):
        return {way: [messages]}
    if not isinstance(messages, Mapping):
        texts = [text for text in messages if isinstance(text, str)]
        rest = [part for part in messages if not isinstance(part, str)]
        flat = {way: texts} if texts else {}
        for part in rest:
            flat.update(flattened(part, way))
        return flat
    flat = {}
    for key, part in messages.items():
        here = way if key == "_schema" else f"{way}.{key}" if way else str(key)
        for place, texts in flattened(part, here).items():
            flat.setdefault(place, []).extend(texts)
    return flat
