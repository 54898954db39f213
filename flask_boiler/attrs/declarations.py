"""The functions that declare attributes in a class body."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, overload
from zoneinfo import ZoneInfo

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.declared_attr import AttributeOptions
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.container_kinds import DictKind, ManyKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.nested_kind import NestedKind
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import BYTES, GEO_POINT, TIMESTAMP, VECTOR, LocalTimeKind
from flask_boiler.attrs.model_state import UNSET
from flask_boiler.attrs.relations import NestedRelationAttr, RelationAttr
from flask_boiler.attrs.through import ThroughAttr
from flask_boiler.attrs.type_source import TypeSource, return_type
from flask_boiler.errors import DeclarationError
from flask_boiler.firestore.native import DocumentReference, GeoPoint, Vector
from flask_boiler.ground.naming import nearest

__all__ = [
    "ObjectType",
    "bdict",
    "bproperty",
    "bytes_",
    "computed",
    "embed",
    "geo_point",
    "local_time",
    "object_type",
    "reference",
    "relation",
    "through",
    "timestamp",
    "vector",
]

T = TypeVar("T")
M = TypeVar("M")

Validator = Callable[[Any], Any]
Validators = Validator | Iterable[Validator]


@overload
def bproperty(
    type: type[T],
    *,
    default: T = ...,
    default_factory: Callable[[], T] | None = ...,
    required: bool | None = ...,
    import_enabled: bool = ...,
    export_enabled: bool = ...,
    data_key: str | None = ...,
    was: str | tuple[str, ...] = ...,
    initialize: Callable[[], T] | None = ...,
    validate: Validators | None = ...,
    doc: str | None = ...,
    as_string: bool = ...,
) -> Attr[T]: ...
@overload
def bproperty(
    type: object = ...,
    *,
    default: T,
    required: bool | None = ...,
    import_enabled: bool = ...,
    export_enabled: bool = ...,
    data_key: str | None = ...,
    was: str | tuple[str, ...] = ...,
    initialize: Callable[[], T] | None = ...,
    validate: Validators | None = ...,
    doc: str | None = ...,
    as_string: bool = ...,
) -> Attr[T]: ...
@overload
def bproperty(
    type: object = ...,
    *,
    default_factory: Callable[[], T],
    required: bool | None = ...,
    import_enabled: bool = ...,
    export_enabled: bool = ...,
    data_key: str | None = ...,
    was: str | tuple[str, ...] = ...,
    initialize: Callable[[], T] | None = ...,
    validate: Validators | None = ...,
    doc: str | None = ...,
    as_string: bool = ...,
) -> Attr[T]: ...
@overload
def bproperty(
    type: object = ...,
    *,
    required: bool | None = ...,
    import_enabled: bool = ...,
    export_enabled: bool = ...,
    data_key: str | None = ...,
    was: str | tuple[str, ...] = ...,
    initialize: Callable[[], Any] | None = ...,
    validate: Validators | None = ...,
    doc: str | None = ...,
    as_string: bool = ...,
) -> Attr[Any]: ...
def bproperty(type: Any = UNSET, **options: Any) -> Attr[Any]:
    """Declare an attribute.

    Without a type (neither here nor as an ``Attr[...]`` annotation) it takes any value that
    Firestore can store, and reads as ``None`` while it has none. With one, values are validated
    when the document is saved and when a stored one is first read; unless the type includes
    ``None``, the attribute is then required.

    :param type: a Python type, a model (which is embedded), or a marshmallow field.
    :param default: the value while none was given; dicts and lists are copied.
    :param default_factory: makes that value.
    :param required: a document without it is invalid; ``False`` lifts that of a type.
    :param import_enabled: ``False``: input from outside may not set it.
    :param export_enabled: ``False``: it is taken but never stored or shown.
    :param data_key: the name of the field in documents, instead of the camelCase name.
    :param was: the field that documents had for it under an earlier name, or several. It is read
        where the new one is not there, and given up once the document is saved. A query by the
        attribute looks at the new field alone, so it finds documents once they are saved again.
    :param initialize: computes a new object's value, if the caller gives none.
    :param validate: a marshmallow validator, or several.
    :param doc: what schemas and the API's documentation say of it.
    :param as_string: integers are strings of digits in JSON, coming and going; JavaScript reads
        those beyond 2**53 as other ones. Documents have them as integers all the same.
    """
    source = None if type is UNSET else TypeSource(type)
    return Attr(type=source, options=_options(options))


def bdict(**options: Any) -> Attr[dict[str, Any]]:
    """Declare an attribute that is a dict; empty while none was given."""
    if "default" not in options and not options.get("required"):
        options.setdefault("default_factory", dict)
    return _of_kind(DictKind(AnyKind()), options)


@overload
def embed(model: type[M], *, many: Literal[False] = ..., **options: Any) -> Attr[M]: ...
@overload
def embed(model: type[Any] | str, *, many: bool = ..., **options: Any) -> Attr[Any]: ...
def embed(model: type[Any] | str, *, many: bool = False, **options: Any) -> Attr[Any]:
    """Declare an attribute that is another model, stored inside the document.

    :param model: the class, or its name if it is declared later; what is stored may be of a
        subclass.
    :param many: a list or a dict of them; the shape that is given is kept.
    """
    kind: Kind = EmbedKind(model)
    return _of_kind(ManyKind(kind) if many else kind, options)


@overload
def relation(
    model: type[M], *, many: Literal[False] = ..., nested: Literal[True], **options: Any
) -> RelationAttr[M | None]: ...
@overload
def relation(
    model: type[Any] | str, *, many: bool = ..., nested: Literal[True], **options: Any
) -> RelationAttr[Any]: ...
@overload
def relation(
    model: type[Any] | str | None = ...,
    *,
    many: Literal[False] = ...,
    nested: Literal[False] = ...,
    required: Literal[True],
    **options: Any,
) -> RelationAttr[DocumentReference]: ...
@overload
def relation(
    model: type[Any] | str | None = ...,
    *,
    many: Literal[False] = ...,
    nested: Literal[False] = ...,
    required: Literal[False] | None = ...,
    **options: Any,
) -> RelationAttr[DocumentReference | None]: ...
@overload
def relation(
    model: type[Any] | str | None = ...,
    *,
    many: bool,
    nested: Literal[False] = ...,
    **options: Any,
) -> RelationAttr[Any]: ...
def relation(
    model: type[Any] | str | None = None,
    *,
    many: bool = False,
    nested: bool = False,
    must_exist: bool = False,
    **options: Any,
) -> RelationAttr[Any]:
    """Declare an attribute that refers to other documents.

    References are what is stored. It can be assigned a reference, a model, a document path, or
    an id in the model's collection. One that leads to another collection than the model's, or that
    of a class below, is refused, without anything's being read.

    It reads as google's ``DocumentReference``, and never as ``None`` with ``required=True``; or, if
    it is nested, as the model itself, ``None`` for a document that is missing.

    ::

        class Meeting(DomainModel):
            location = attrs.relation(Location, nested=True)
            users = attrs.relation(User, many=True)

        Meeting.get("m").location.address           # read with the meeting, as of the same time

    :param model: what is referred to, or its name if it is declared later.
    :param many: a list or a dict; the shape that is given is kept, and a nested one leaves out
        documents that are missing.
    :param must_exist: the documents have to be there when references to them are taken from outside
        or saved; each is read for that, in a transaction with its commit verifying it.
    :param nested: load the documents with their owner, and save them with it, in one commit.
    :raises DeclarationError: a nested relation without a model.
    """
    if nested and model is None:
        raise DeclarationError(
            "a nested relation needs the model: attrs.relation(Model, nested=True)"
        )
    chosen = NestedKind if nested else RelationKind
    kind: Kind = chosen(model, must_exist=must_exist)
    attribute = NestedRelationAttr if nested else RelationAttr
    return attribute(ManyKind(kind) if many else kind, options=_options(options))


@overload
def reference(*, required: Literal[True], **options: Any) -> RelationAttr[DocumentReference]: ...
@overload
def reference(
    *, required: Literal[False] | None = ..., **options: Any
) -> RelationAttr[DocumentReference | None]: ...
def reference(**options: Any) -> RelationAttr[Any]:
    """Declare an attribute that refers to a document of whatever model."""
    return RelationAttr(RelationKind(None), options=_options(options))


def local_time(*, timezone: str | datetime.tzinfo = "UTC", **options: Any) -> Attr[Any]:
    """Declare a naive ``datetime`` of one time zone, stored as the timestamp that it means.

    :param timezone: a name of the IANA database (``"Europe/Berlin"``) or a ``tzinfo``.
    """
    zone = ZoneInfo(timezone) if isinstance(timezone, str) else timezone
    return _of_kind(LocalTimeKind(zone), options)


@overload
def timestamp(*, required: Literal[True], **options: Any) -> Attr[datetime.datetime]: ...
@overload
def timestamp(
    *, required: Literal[False] | None = ..., **options: Any
) -> Attr[datetime.datetime | None]: ...
def timestamp(**options: Any) -> Attr[Any]:
    """Declare a ``datetime`` with a time zone; a naive one is taken as UTC."""
    return _of_kind(TIMESTAMP, options)


@overload
def geo_point(*, required: Literal[True], **options: Any) -> Attr[GeoPoint]: ...
@overload
def geo_point(
    *, required: Literal[False] | None = ..., **options: Any
) -> Attr[GeoPoint | None]: ...
def geo_point(**options: Any) -> Attr[Any]:
    """Declare a place on earth, google's ``GeoPoint``."""
    return _of_kind(GEO_POINT, options)


@overload
def bytes_(*, required: Literal[True], **options: Any) -> Attr[bytes]: ...
@overload
def bytes_(*, required: Literal[False] | None = ..., **options: Any) -> Attr[bytes | None]: ...
def bytes_(**options: Any) -> Attr[Any]:
    """Declare ``bytes``."""
    return _of_kind(BYTES, options)


@overload
def vector(*, required: Literal[True], **options: Any) -> Attr[Vector]: ...
@overload
def vector(*, required: Literal[False] | None = ..., **options: Any) -> Attr[Vector | None]: ...
def vector(**options: Any) -> Attr[Any]:
    """Declare a vector of floats, google's ``Vector``."""
    return _of_kind(VECTOR, options)


@overload
def computed(fget: Callable[[Any], T]) -> Attr[T]: ...
@overload
def computed(
    *,
    type: object = ...,
    export_enabled: bool = ...,
    data_key: str | None = ...,
    doc: str | None = ...,
) -> Callable[[Callable[[Any], T]], Attr[T]]: ...
def computed(fget: Any = None, *, type: Any = UNSET, **options: Any) -> Any:
    """Declare an attribute by its getter; its type is what the function says it returns.

    ::

        @attrs.computed
        def full_name(self) -> str:
            return f"{self.first_name} {self.last_name}"
    """

    def declare(function: Callable[[Any], Any]) -> Attr[Any]:
        source = return_type(function) if type is UNSET else TypeSource(type)
        return Attr(type=source, options=_options(options)).getter(function)

    return declare if fget is None else declare(fget)


def through(
    path: str,
    *,
    required: bool | None = None,
    import_enabled: bool = True,
    export_enabled: bool = True,
    data_key: str | None = None,
    validate: Validators | None = None,
    doc: str | None = None,
) -> Attr[Any]:
    """Declare an attribute of a view that passes through to one of a document in its store.

    ::

        class CityView(ViewModel):
            store: CityStore

            name = attrs.through("city.city_name")
            population: Attr[int] = attrs.through("city.population")

    It reads and sets that attribute and changes nothing on the way. Its type, its validators and
    its description are that one's, unless it declares a type or a description of its own. If that
    one is read-only, so is this. Lists over REST are filtered and sorted by those of the root.

    :param path: the slot of the store and the attribute, which are checked here.
    :param import_enabled: ``False``: input from outside may not set it.
    :raises DeclarationError: the store has no such slot, or its model no such attribute.
    """
    declared = {
        "required": required,
        "import_enabled": import_enabled,
        "export_enabled": export_enabled,
        "data_key": data_key,
        "validate": validate,
        "doc": doc,
    }
    return ThroughAttr(path, options=_options(declared))


class ObjectType(Attr[str]):
    """The attribute ``obj_type``: which class a document is of.

    :param name: what documents of the class carry, if not its name.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(options=AttributeOptions(data_key="obj_type"))
        self.type_name = name
        self._fget = lambda instance: instance._stored_type_name()


def object_type(name: str | None = None) -> ObjectType:
    """Declare what the documents of this class carry as ``obj_type``, if not the class name.

    ``Meta.obj_type`` says the same.
    """
    return ObjectType(name)


def _of_kind(kind: Kind, options: dict[str, Any]) -> Attr[Any]:
    return Attr(kind, options=_options(options))


def _options(given: dict[str, Any]) -> AttributeOptions:
    options = dict(given)
    validate = options.pop("validate", None)
    if validate is not None:
        options["validators"] = (validate,) if callable(validate) else tuple(validate)
    if "default" in options and options.get("default_factory") is not None:
        raise DeclarationError("an attribute takes a default or a default_factory, not both")
    known = AttributeOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            names = ["validate" if each == "validators" else each for each in known]
            raise DeclarationError(f"an attribute has no option {name!r}{nearest(name, names)}")
    return AttributeOptions(**options)
