"""The making of a model's attributes from its class body."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import marshmallow

from flask_boiler.attrs import registry
from flask_boiler.attrs.annotations import attribute_types, local_names
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.attributed import Attributed, AttributedDocument
from flask_boiler.attrs.declarations import ObjectType
from flask_boiler.attrs.declared_attr import AttributeOptions
from flask_boiler.attrs.kinds.field_kind import FieldKind
from flask_boiler.attrs.model_state import UNSET
from flask_boiler.attrs.relations import NestedRelationAttr
from flask_boiler.errors import CyclicRelationError, DeclarationError, UnknownModelError
from flask_boiler.ground.naming import field_name_of
from flask_boiler.models.declared_model import DeclaredModel, is_framework_class
from flask_boiler.models.model_options import METADATA, ModelOptions

__all__ = [
    "declared_attributes",
    "nested_relations",
    "require_acyclic",
]


def declared_attributes(cls: type[DeclaredModel], options: ModelOptions) -> Mapping[str, Attr[Any]]:
    """The attributes of a model: the parents' first, then its own, as declared.

    Makes what the class body only annotates, or inherits from a class that is no model, an
    attribute of the class itself.

    :raises DeclarationError: an attribute cannot be what it is declared to be.
    """
    _make_annotated(cls)
    _make_from_schema(cls, options)
    _adopt_from_mixins(cls)
    own = {k: v for k, v in vars(cls).items() if isinstance(v, Attr)}
    for name, attribute in own.items():
        _require_free_name(cls, name)
        _require_free_function_names(cls, name, attribute)
        attribute.bind(cls, name, attribute.options.data_key or _field_name(name, options))
    _explain_types(cls, own)
    attributes = _collected(cls)
    _require_distinct_fields(cls, attributes)
    return MappingProxyType(attributes)


def _field_name(name: str, options: ModelOptions) -> str:
    return field_name_of(name) if options.case_conversion else name


def _make_annotated(cls: type[DeclaredModel]) -> None:
    assigned = [name for name, value in vars(cls).items() if isinstance(value, Attr)]
    annotated = attribute_types(cls, Attr)
    cls._declared_names = tuple(_in_order(list(annotated), assigned))
    for name, source in annotated.items():
        declared = vars(cls).get(name, UNSET)
        if declared is UNSET:
            _add(cls, name, Attr(type=source))
        elif isinstance(declared, Attr):
            declared.declare_type(source)
        elif inspect.isfunction(declared):
            raise DeclarationError(
                f"{cls.__qualname__}.{name} is annotated as an attribute, and a function there has "
                "the same name: call the function something else"
            )
        else:
            raise DeclarationError(
                f"{cls.__qualname__}.{name} is annotated as an attribute but set to "
                f"{declared!r:.60}: write attrs.bproperty(default={declared!r:.60})"
            )


def _make_from_schema(cls: type, options: ModelOptions) -> None:
    if options.schema_cls is None:
        return
    # Bound fields know their schema, as nested ones have to.
    for name, field in options.schema_cls().fields.items():
        if not isinstance(getattr(cls, name, None), Attr):
            _add(cls, name, _attribute_of_field(field))


def _attribute_of_field(field: marshmallow.fields.Field[Any]) -> Attr[Any]:
    default: dict[str, Any] = {}
    if callable(field.load_default):
        default["default_factory"] = field.load_default
    elif field.load_default is not marshmallow.missing:
        default["default"] = field.load_default
    options = AttributeOptions(
        required=field.required,
        import_enabled=not field.dump_only,
        export_enabled=not field.load_only,
        data_key=field.data_key,
        doc=field.metadata.get("description"),
        **default,
    )
    return Attr(FieldKind(field), options=options, nullable=field.allow_none or not field.required)


def _adopt_from_mixins(cls: type) -> None:
    """Copy what classes that are no models declare, so that it can belong to this one."""
    for ancestor in cls.__mro__[1:]:
        if issubclass(ancestor, Attributed):
            continue
        for name, source in attribute_types(ancestor, Attr).items():
            if name not in vars(cls) and name not in vars(ancestor):
                _add(cls, name, Attr(type=source))
        mixed_in = {k: v for k, v in vars(ancestor).items() if isinstance(v, Attr)}
        for name, attribute in mixed_in.items():
            if _lookup(cls, name) is attribute:
                _add(cls, name, attribute.unbound_copy())


def _add(cls: type, name: str, attribute: Attr[Any]) -> None:
    setattr(cls, name, attribute)
    attribute.__set_name__(cls, name)


def _explain_types(cls: type, own: Mapping[str, Attr[Any]]) -> None:
    """Understand the types now if that is possible, so that what is wrong is said here."""
    typed = {a: a.type_source for a in own.values() if a.type_source is not None}
    names = local_names(cls, typed.values())
    for attribute, source in typed.items():
        source.add_names(names)
        try:
            _ = attribute.kind
        except UnknownModelError:
            # It names a class that may be declared later.
            continue


def _require_free_name(cls: type, name: str) -> None:
    for ancestor in cls.__mro__[1:]:
        taken = is_framework_class(ancestor) and name in vars(ancestor)
        if taken and not isinstance(vars(ancestor)[name], Attr):
            known = next(each for each in cls.__mro__ if is_framework_class(each))
            raise DeclarationError(
                f"{cls.__qualname__}.{name} would hide {known.__name__}.{name}: give the attribute "
                f"another name, such as {name}_ = attrs.bproperty(data_key={name!r})"
            )


def _require_free_function_names(cls: type, name: str, attribute: Attr[Any]) -> None:
    for function_name, role in attribute._function_names(name).items():
        for ancestor in cls.__mro__[1:]:
            if is_framework_class(ancestor) and function_name in vars(ancestor):
                raise DeclarationError(
                    f"{cls.__qualname__}.{function_name} is {role} of {name}, and would hide "
                    f"{ancestor.__name__}.{function_name}: give the function another name"
                )


def _collected(cls: type) -> dict[str, Attr[Any]]:
    names: dict[str, None] = {}
    for ancestor in reversed(cls.__mro__):
        own = [name for name, value in vars(ancestor).items() if isinstance(value, Attr)]
        names.update(dict.fromkeys([*vars(ancestor).get("_declared_names", ()), *own]))
    found = {name: _lookup(cls, name) for name in names}
    return {k: v for k, v in found.items() if isinstance(v, Attr) and not isinstance(v, ObjectType)}


def _in_order(annotated: list[str], assigned: list[str]) -> list[str]:
    """The attributes of a class body as they stand there.

    Python keeps the order of annotations and that of assignments, not that of both: between an
    attribute that is only annotated and one that is only assigned, the annotated comes first.
    """
    order: list[str] = []
    waiting = list(assigned)
    for name in annotated:
        if name in waiting:
            position = waiting.index(name)
            order += waiting[:position]
            waiting = waiting[position + 1 :]
        order.append(name)
    return order + waiting


def _lookup(cls: type, name: str) -> Any:
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


def _require_distinct_fields(cls: type, attributes: Mapping[str, Attr[Any]]) -> None:
    taken: dict[str, str] = dict.fromkeys(METADATA, "the framework")
    for name, attribute in attributes.items():
        other = taken.setdefault(attribute.data_key, name)
        if other != name:
            raise DeclarationError(
                f"{cls.__qualname__}.{name} would be stored as {attribute.data_key!r}, which "
                f"belongs to {other}: give it another data_key"
            )
    for name, attribute in attributes.items():
        for key in attribute.was:
            if key in taken:
                raise DeclarationError(
                    f"{cls.__qualname__}.{name} has was={key!r}, but this is the field of "
                    f"{taken[key]}: a stored value could belong to both"
                )
            taken[key] = name


def nested_relations(
    cls: type[DeclaredModel], attributes: Mapping[str, Attr[Any]]
) -> tuple[NestedRelationAttr[Any], ...]:
    """The relations whose documents are loaded and saved with the model's own.

    :raises DeclarationError: the model is no document, or a relation leads to what is none.
    """
    found = [a for a in attributes.values() if isinstance(a, NestedRelationAttr) and not a.computed]
    for attribute in found:
        if not issubclass(cls, AttributedDocument):
            raise DeclarationError(
                f"{attribute!r} is a nested relation, which needs a DomainModel, and "
                f"{cls.__qualname__} is not one: declare it in a DomainModel"
            )
        target = attribute.related_kind.known_model()
        if target is not None and not issubclass(target, AttributedDocument):
            raise DeclarationError(
                f"{attribute!r} is a relation to {target.__qualname__}, which has no documents: "
                "use attrs.embed() to store it inside"
            )
    return tuple(found)


def require_acyclic(cls: type[DeclaredModel]) -> None:
    """Check that no chain of nested relations leads from a newly declared class back to it.

    A relation leads to its model and to every class below, for a document may be of any.

    :raises CyclicRelationError: one does; the class is then not registered any more.
    """
    way = _way_to(cls, cls, set())
    if way is None:
        return
    registry.withdraw(cls)
    circle = " -> ".join([*(repr(attribute) for attribute in way), cls.__name__])
    raise CyclicRelationError(
        f"{cls.__qualname__} would be loaded with itself: {circle}. Make one of these relations "
        "nested=False, and read its documents where they are needed"
    )


def _way_to(
    goal: type[DeclaredModel], start: type[DeclaredModel], seen: set[type[DeclaredModel]]
) -> list[NestedRelationAttr[Any]] | None:
    seen.add(start)
    for attribute, reached in _related_classes(start):
        if reached is goal:
            return [attribute]
        rest = None if reached in seen else _way_to(goal, reached, seen)
        if rest is not None:
            return [attribute, *rest]
    return None


def _related_classes(
    cls: type[DeclaredModel],
) -> Iterator[tuple[NestedRelationAttr[Any], type[DeclaredModel]]]:
    for attribute in cls._nested:
        target = attribute.related_kind.known_model()
        if target is not None and issubclass(target, DeclaredModel):
            for reached in dict.fromkeys([target, *registry.descendants(target)]):
                yield attribute, reached
