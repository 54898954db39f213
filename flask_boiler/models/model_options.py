"""The options of a model, as its ``class Meta`` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import marshmallow

from flask_boiler.errors import DeclarationError
from flask_boiler.ground.naming import nearest

__all__ = ["METADATA", "ModelOptions", "collect_meta", "model_options"]

METADATA = ("obj_type", "doc_id", "doc_ref")

#: A class does not hand these on to the classes below it.
_OWN = frozenset({"abstract", "obj_type", "schema_cls", "was"})


@dataclass(frozen=True)
class ModelOptions:
    """The options of one model, its parents' included.

    :param abstract: it has no documents, only classes below it do.
    :param obj_type: what its documents carry as ``obj_type``, instead of the class name.
    :param was: what ``obj_type`` was before, of documents that were stored under another name of
        the class; they are read and found as its own, and carry the new name once they are saved.
    :param case_conversion: fields are camelCase.
    :param exclude: which of ``obj_type``, ``doc_id``, ``doc_ref`` documents do not carry.
    :param exclude_unset: a declared ``Attr[X | None]`` without a value is not stored; by default it
        is stored as null, so that queries find it and orders keep it.
    :param extra: undeclared fields are kept, or refused; ``None`` keeps those that a document has,
        and those that are given to a new object of a class without any typed attribute.
    :param schema_cls: a marshmallow schema whose fields become attributes.
    :param collection_name: where documents lie; that of the parent, or the class name.
    :param parent: the model below whose documents the collection lies.
    """

    abstract: bool = False
    obj_type: str | None = None
    was: tuple[str, ...] = ()
    case_conversion: bool = True
    exclude: frozenset[str] = field(default=frozenset())
    exclude_unset: bool = False
    extra: Literal["keep", "forbid"] | None = None
    schema_cls: type[marshmallow.Schema] | None = None
    collection_name: str | None = None
    parent: Any = None


def collect_meta(cls: type, known: frozenset[str]) -> dict[str, Any]:
    """The options that ``Meta`` gives in the class and in those above it.

    :param known: the options that the class understands.
    :raises DeclarationError: an option is unknown.
    """
    collected: dict[str, Any] = {}
    for ancestor in reversed(cls.__mro__):
        meta = ancestor.__dict__.get("Meta")
        if not isinstance(meta, type):
            continue
        own = _members(meta)
        if ancestor is not cls:
            own = {name: value for name, value in own.items() if name not in _OWN}
        collected.update(own)
    _require_known(cls, collected, known)
    return collected


def model_options(cls: type, meta: Mapping[str, Any]) -> ModelOptions:
    """The options that every model has.

    :raises DeclarationError: one has a value that means nothing.
    """
    fields = ModelOptions.__dataclass_fields__
    given = {name: value for name, value in meta.items() if name in fields}
    exclude = given.get("exclude", ())
    given["exclude"] = frozenset([exclude] if isinstance(exclude, str) else exclude)
    was = given.get("was", ())
    given["was"] = tuple(was) if isinstance(was, tuple | list) else (was,)
    if not all(isinstance(name, str) and name for name in given["was"]):
        raise DeclarationError(
            f"{cls.__qualname__}.Meta.was is {was!r:.80}: expected names of classes, as in "
            "('OldName',)"
        )
    options = ModelOptions(**given)
    unknown = options.exclude - set(METADATA)
    if unknown:
        raise DeclarationError(
            f"{cls.__qualname__}.Meta.exclude names "
            f"{', '.join(sorted(unknown))}{nearest(min(unknown), METADATA)}; it may only contain "
            f"{', '.join(METADATA)} (to leave out an attribute, use export_enabled=False)"
        )
    if options.extra not in ("keep", "forbid", None):
        raise DeclarationError(
            f"{cls.__qualname__}.Meta.extra is {options.extra!r}: expected 'keep' or 'forbid'"
        )
    return options


def _members(meta: type) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for part in reversed(meta.__mro__):
        members.update({k: v for k, v in vars(part).items() if not k.startswith("__")})
    return members


def _require_known(cls: type, meta: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in meta:
        if name not in known:
            raise DeclarationError(
                f"{cls.__qualname__}.Meta has the unknown option {name!r}{nearest(name, known)}"
            )
