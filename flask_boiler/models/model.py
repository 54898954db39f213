"""Models: attributes, where their values come from, and how they are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from flask_boiler.attrs import registry
from flask_boiler.attrs.attribute import READ_ONLY, Attr
from flask_boiler.attrs.declarations import ObjectType
from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch
from flask_boiler.attrs.model_state import OMIT, UNSET, ModelState
from flask_boiler.errors import StoredDataError, ValidationError
from flask_boiler.firestore.native import copied
from flask_boiler.ground.callbacks import require_plain_members
from flask_boiler.ground.naming import nearest
from flask_boiler.models.declaration import (
    declared_attributes,
    nested_relations,
    require_acyclic,
)
from flask_boiler.models.declared_model import DeclaredModel, is_framework_class
from flask_boiler.models.differences import is_unchanged
from flask_boiler.models.link_checks import require_referred
from flask_boiler.models.model_options import METADATA, collect_meta, model_options
from flask_boiler.models.schema.annotated_schema import AnnotatedSchema
from flask_boiler.models.schema.schema import schema_of

__all__ = ["Model"]


class GeneratedSchema:
    """A class attribute that makes the schema of the class when it is first asked for."""

    def __get__(self, instance: object, owner: type[Model]) -> type[AnnotatedSchema]:
        # Kept by the class itself, so that both go away together.
        made: type[AnnotatedSchema] | None = vars(owner).get("_schema_class")
        if made is None:
            made = owner._schema_class = schema_of(owner)
        return made


@dataclass_transform(kw_only_default=True)
class Model(DeclaredModel):
    """A class with attributes: a document, a view, or something embedded in one.

    Values are converted and checked when they are first read or when they are stored, so an
    instance made from a document costs next to nothing, and a document of a foreign shape
    fails where the wrong field is read, naming it.

    ``class Meta`` takes the options that ``META_OPTIONS`` names.

    :param fields: values by attribute name. An undeclared one is refused if any attribute has a
        declared type, and goes to ``extra`` otherwise; ``Meta.extra``, be it ``"forbid"`` or
        ``"keep"``, decides for itself.
    :raises ValidationError: an undeclared one is refused, or one is given that is computed.
    """

    _schema_class: ClassVar[type[AnnotatedSchema] | None] = None
    obj_type = ObjectType()
    #: The generated marshmallow schema, a class; see :meth:`schema`.
    Schema = GeneratedSchema()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls, may_yield={"doc_refs"})
        cls._meta = MappingProxyType(collect_meta(cls, cls.META_OPTIONS))
        cls._options = model_options(cls, cls._meta)
        cls._exclude_unset = cls._options.exclude_unset
        cls._attributes = declared_attributes(cls, cls._options)
        cls._nested = nested_relations(cls, cls._attributes)
        cls._data_keys = frozenset(METADATA).union(
            key for a in cls._attributes.values() for key in (a.data_key, *a.was)
        )
        cls._type_name = _own_type_name(cls)
        cls._check_declaration()
        if not is_framework_class(cls):
            registry.register(cls)
            require_acyclic(cls)

    def __init__(self, **fields: Any) -> None:
        self._model_state = ModelState({})
        self._assign_new(fields)

    # -- the class

    @classmethod
    def schema(cls, **options: Any) -> AnnotatedSchema:
        """A marshmallow schema that loads and dumps the attributes, by their field names.

        ::

            City.new(**City.schema().load({"cityName": "Berlin"}))

        :param options: what ``marshmallow.Schema`` takes (``many``, ``only``, ``partial`` …).
        """
        return cls.Schema(**options)

    if not TYPE_CHECKING:
        # Hidden from type checkers: models and views below have a `new` of their own, which may
        # take whatever it likes.
        @classmethod
        def new(cls, **fields: Any) -> Self:
            """A new object with these values, and initial ones for the rest.

            :raises ValidationError: as the class does when it is called.
            """
            return cls(**fields)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The object of a stored form, as ``to_dict`` gives it; of a subclass if it says so.

        :raises UnknownModelError: its ``obj_type`` is not of this class or one below.
        :raises ValidationError: it has undeclared fields and ``Meta.extra`` is ``"forbid"``.
        """
        fields = copied(dict(fields))
        return cls._class_of(fields)._of_state(ModelState(fields))

    @classmethod
    def _from_stored(cls, fields: Mapping[str, Any]) -> Self:
        model, unknown_type = cls._class_of_stored(fields)
        return model._of_state(ModelState(fields), unknown_type)

    @classmethod
    def _of_state(cls, state: ModelState, unknown_type: Any = None) -> Self:
        instance = cls.__new__(cls)
        state.unknown_type = unknown_type
        instance._take_stored(state)
        return instance

    @classmethod
    def _check_declaration(cls) -> None:
        """Raise DeclarationError for what only the kind of model can tell."""

    # -- values

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that are not declared, by the names that they are stored under."""
        state = self._model_state
        if state.stale - self._data_keys:
            self._reread()
        if state.extra is None:
            known = self._data_keys
            state.extra = {k: copied(v) for k, v in state.stored.items() if k not in known}
        return state.extra

    def update_vals(
        self,
        *,
        with_dict: Mapping[str, Any] | None = None,
        with_raw: Mapping[str, Any] | None = None,
    ) -> None:
        """Take values from outside, all or none, through the setters.

        :param with_dict: Python values by attribute name.
        :param with_raw: stored values by field name.
        :raises ValidationError: a field is unknown or read-only, or its value does not fit.
        """
        for name, value in self.accepted(with_dict=with_dict, with_raw=with_raw).items():
            setattr(self, name, value)

    def accepted(
        self,
        *,
        with_dict: Mapping[str, Any] | None = None,
        with_raw: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Values from outside as the attributes take them; nothing is assigned.

        :raises ValidationError: as ``update_vals`` does.
        :raises StoredDataError: what a dict is to change is stored wrongly.
        """

        def adopt(attribute: Attr[Any], value: Any) -> Any:
            return attribute.adopt_for(self, value)

        wrong: dict[str, list[str]] = {}
        values = {
            **self._checked(with_raw or {}, self._by_field(), Attr.load, wrong),
            **self._checked(with_dict or {}, self._attributes, adopt, wrong),
        }
        if wrong:
            raise _wrong(wrong, self._where(), by_field=not with_dict)
        return values

    @classmethod
    def understood(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Stored values by field name from outside, as the attributes take them.

        Nothing is read for that: what the values refer to is left to :meth:`accepted`.

        :raises ValidationError: a field is unknown or read-only, or its value does not fit.
        """
        wrong: dict[str, list[str]] = {}
        values = cls._checked(fields, cls._by_field(), Attr.load, wrong, reads=False)
        if wrong:
            raise _wrong(wrong, cls.__name__, by_field=True)
        return values

    def to_dict(self) -> dict[str, Any]:
        """The stored form, validated: field names, and what names the document and its class.

        :raises ValidationError: a value is not what its attribute declares.
        """
        excluded = self._options.exclude
        named = {k: v for k, v in self._identity().items() if k not in excluded}
        return {**copied(dict(self.extra)), **self._dump_all(), **named}

    def to_view_dict(self) -> dict[str, Any]:
        """The attributes and extra fields by field name, validated, and nothing else.

        :raises ValidationError: a value is not what its attribute declares.
        """
        return {**copied(dict(self.extra)), **self._dump_all(bare=True)}

    def dump_attribute(self, name: str) -> Any:
        """The stored form of one attribute's value; ``None`` if it has none, or ``OMIT``.

        What a getter raises comes through as it is.

        :raises ValidationError: the value is not what the attribute declares.
        """
        try:
            value = self._attributes[name].dump(self)
        except Mismatch as mismatch:
            raise mismatch.error(name, where=self._where()) from mismatch
        return None if value is UNSET else value

    @classmethod
    def _from_input(cls, values: Mapping[str, Any]) -> Self:
        instance = cls.new()
        instance.update_vals(with_dict=values)
        return instance

    def _is_unchanged(self) -> bool:
        return is_unchanged(self)

    def _identity(self) -> dict[str, Any]:
        return {"obj_type": self._stored_type_name()}

    def _stored_type_name(self) -> str:
        unknown = self._model_state.unknown_type
        return self._type_name if unknown is None else unknown

    def _where(self) -> str:
        return self._model_state.path or self._model_state.part_of or type(self).__name__

    def _dump_all(self, *, bare: bool = False) -> dict[str, Any]:
        wrong: dict[str, list[str]] = {}
        fields: dict[str, Any] = {}
        for name, attribute in self._attributes.items():
            if not attribute.options.export_enabled:
                continue
            try:
                value = attribute.dump(self, bare=bare)
            except StoredMismatch as mismatch:
                raise mismatch.error(name, where=self._where()) from mismatch
            except Mismatch as mismatch:
                wrong.update(mismatch.below(name))
                continue
            if value is not UNSET and value is not OMIT:
                fields[attribute.data_key] = value
        if wrong:
            raise ValidationError(wrong, where=self._where())
        return fields

    def _assign_new(self, fields: Mapping[str, Any]) -> None:
        declared = {k: v for k, v in fields.items() if k in self._attributes}
        undeclared = {k: v for k, v in fields.items() if k not in self._attributes}
        self._take_undeclared(undeclared)
        computed = [name for name in declared if not self._attributes[name].assignable]
        if computed:
            message = "It is computed, so it cannot be set."
            raise ValidationError({name: [message] for name in computed}, where=self._where())
        for name, value in declared.items():
            setattr(self, name, value)
        for name, attribute in self._attributes.items():
            if name not in declared:
                attribute.initialize(self)

    def _take_undeclared(self, fields: Mapping[str, Any]) -> None:
        """Keep what is given beside the attributes.

        :raises ValidationError: the class takes no such fields.
        """
        if not fields:
            return
        if not self._takes_undeclared():
            raise self._unknown(fields)
        clash = [name for name in fields if name in self._data_keys or self._is_bare(name)]
        if clash:
            raise self._unknown(clash)
        self.extra.update(fields)

    def _take_stored(self, state: ModelState) -> None:
        self._model_state = state
        if self._options.extra == "forbid" and state.unknown_type is None:
            unknown = [name for name in state.stored if name not in self._data_keys]
            if unknown:
                error = self._unknown(unknown)
                if state.update_time_ns is None:
                    raise error
                raise StoredDataError(error.messages, where=error.where)

    def _unknown(self, names: Any) -> ValidationError:
        messages = {name: [_unknown_message(self, name)] for name in names}
        return ValidationError(messages, where=self._where())

    @classmethod
    def _checked(
        cls,
        given: Mapping[str, Any],
        known: Mapping[str, Attr[Any]],
        convert: Callable[[Attr[Any], Any], Any],
        wrong: dict[str, list[str]],
        *,
        reads: bool = True,
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in given.items():
            attribute = known.get(name)
            if attribute is None:
                wrong[name] = [f"Unknown field{nearest(name, known)}"]
            elif attribute.read_only:
                wrong[name] = [READ_ONLY]
            else:
                try:
                    values[attribute.attribute_name] = converted = convert(attribute, value)
                    attribute.check(converted)
                    if reads:
                        require_referred(attribute, converted)
                except StoredMismatch as mismatch:
                    raise mismatch.error(name, where=cls.__name__) from mismatch
                except Mismatch as mismatch:
                    wrong.update(mismatch.below(name))
        return values

    def _reread(self) -> None:
        """Read what the server computed in the last write; only documents have that."""

    def __repr__(self) -> str:
        return f"<{' '.join(filter(None, (type(self).__name__, self._model_state.path)))}>"


def _own_type_name(cls: type[Model]) -> str:
    own = vars(cls).get("obj_type")
    if isinstance(own, ObjectType) and own.type_name is not None:
        return own.type_name
    return cls._options.obj_type or cls.__name__


def _unknown_message(model: Model, name: str) -> str:
    if name in METADATA:
        return "It is reserved for the framework."
    for known, attribute in model.attributes().items():
        if attribute.data_key == name:
            return f"Unknown attribute: the field {name!r} is the attribute {known!r}."
    if model._is_bare(name):
        return (
            "It is annotated without Attr, so it is not an attribute: write Attr[...], as in "
            "Attr[str]."
        )
    return f"Unknown attribute{nearest(name, model.attributes())}"


def _wrong(messages: Mapping[str, list[str]], where: str, *, by_field: bool) -> ValidationError:
    error = ValidationError(messages, where=where)
    error.by_field = by_field
    return error
