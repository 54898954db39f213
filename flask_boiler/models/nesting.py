"""Nested relations: related documents that are loaded, and saved, with what refers to them.

What is loaded together is a *group*: the documents that one ``get`` or query gave, then those
that they refer to, and so on. Each level is read in one request, for all of a group, and as of
the time that the group was read.

A getter reads through a cut, which holds only what views are known to read. There nothing is
loaded ahead: a relation is read when it is looked at, for all of its group, so that a view
depends on just the relations that it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.model_state import ModelState
from flask_boiler.attrs.relations import NestedRelationAttr
from flask_boiler.context.context import current_context
from flask_boiler.errors import UnknownModelError
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import MomentReader, current_reader
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.collection import CollectionModel

__all__ = ["Group", "as_read", "join", "resolve", "with_related"]

M = TypeVar("M", bound=CollectionModel)
#: A nested relation of one instance.
Slot = tuple[CollectionModel, NestedRelationAttr[Any]]


@dataclass(frozen=True, slots=True)
class Group:
    """Models that were read together, and whose relations are still to be read.

    :param read_time_ns: as of when; 0 if that is not known.
    """

    models: Sequence[CollectionModel]
    read_time_ns: int


def join(models: Iterable[CollectionModel], read_time_ns: int, reader: Reader | None) -> None:
    """Load what models refer to that were just read, or else make them a group.

    :param reader: what they were read through; ``None`` for the database itself.
    """
    nesting = [model for model in models if model._nested]
    if not nesting:
        return
    through = reader or MomentReader(current_context().datastore, read_time_ns)
    if through.fetches:
        _complete(nesting, through)
    else:
        _group(nesting, read_time_ns)


def resolve(instance: CollectionModel, attribute: NestedRelationAttr[Any]) -> None:
    """Load one relation that was not loaded yet, through the reader in force.

    :raises Incomplete: the reader does not hold all of it yet.
    :raises Mismatch: it leads to a document of another class.
    """
    group: Group | None = instance._model_state.group
    name = attribute.attribute_name
    slots: list[Slot] = [(instance, attribute)]
    time_ns = 0
    if group is not None and attribute.is_as_read(instance):
        time_ns = group.read_time_ns
        others = (model for model in group.models if model is not instance)
        slots += [(m, a) for m in others for a in m._nested if a.attribute_name == name]
    reader = current_reader() or MomentReader(current_context().datastore, time_ns)
    made = _fetch(slots, reader, asked=instance)
    if reader.fetches:
        _complete(made, reader)


def as_read(models: Sequence[M]) -> list[M]:
    """Models of the same documents, as they were read: nothing of them is changed or loaded yet.

    What was read together before is read together again. A model of no stored document stays.
    """
    made = [_as_read(model) for model in models]
    nesting = [model for model in made if model._nested]
    if nesting:
        groups = (model._model_state.group for model in models)
        _group(nesting, max((group.read_time_ns for group in groups if group), default=0))
    return made


def _as_read(model: M) -> M:
    state = model._model_state
    if state.update_time_ns is None:
        return model
    made = ModelState(state.stored, state.path, state.update_time_ns)
    return model._of_state(made, state.unknown_type)


def with_related(
    model: CollectionModel, only: Iterable[str] | None = None
) -> list[CollectionModel]:
    """A model and those that are saved with it, each once; nothing is loaded for that.

    :param only: the attributes of the model that count; all if not given.
    """
    found: dict[int, CollectionModel] = {id(model): model}
    _collect(model, found, None if only is None else frozenset(only))
    return list(found.values())


def _collect(
    model: CollectionModel, found: dict[int, CollectionModel], only: frozenset[str] | None
) -> None:
    for attribute in model._nested:
        if only is None or attribute.attribute_name in only:
            for related in attribute.models_in(model):
                if id(related) not in found:
                    found[id(related)] = related
                    _collect(related, found, None)


def _complete(models: Sequence[CollectionModel], reader: Reader) -> None:
    """Load all that these refer to, level by level."""
    level = models
    while level:
        level = _fetch([(m, a) for m in level for a in m._nested], reader)


def _fetch(
    slots: Iterable[Slot], reader: Reader, asked: CollectionModel | None = None
) -> list[CollectionModel]:
    """Load one level; of what was made, the models that have nested relations themselves.

    :param asked: the one that is looked at now. What is wrong with the others is said when they
        are looked at, as of any other attribute.
    :raises Mismatch: what was asked for leads to a document of another class.
    """
    wanted: dict[str, None] = {}
    readable: list[Slot] = []
    for model, attribute in slots:
        try:
            wanted.update(dict.fromkeys(attribute.wanted(model)))
        except Mismatch:
            continue
        readable.append((model, attribute))
    found = reader.documents(list(wanted)) if wanted else {}
    # By place and class: two that refer to one document share one model.
    made: dict[tuple[str, type[CollectionModel]], CollectionModel] = {}
    shared: dict[tuple[str, type[CollectionModel]], CollectionModel] = {}

    def find(path: str, target: type[CollectionModel]) -> CollectionModel | None:
        if not found[path].exists:
            return None
        if (path, target) not in made:
            model = _model_of(found[path], target, reader)
            # The relations may be declared with different classes above its own.
            made[path, target] = shared.setdefault((path, type(model)), model)
        return made[path, target]

    for model, attribute in readable:
        try:
            _fulfil(model, attribute, find)
        except Mismatch:
            if model is asked:
                raise
    nesting = [model for model in shared.values() if model._nested]
    if not reader.fetches:
        _group(nesting, max((snapshot.read_time_ns for snapshot in found.values()), default=0))
    return nesting


def _fulfil(model: CollectionModel, attribute: NestedRelationAttr[Any], find: Any) -> None:
    target: Any = attribute.related_kind.model
    attribute.fulfil(model, lambda path: find(path, target))


def _model_of(snapshot: Snapshot, target: type[CollectionModel], reader: Reader) -> CollectionModel:
    try:
        return target._of_snapshot(snapshot, reader)
    except UnknownModelError as error:
        raise Mismatch(str(error)) from error


def _group(models: Sequence[CollectionModel], read_time_ns: int) -> None:
    group = Group(models, read_time_ns)
    for model in models:
        model._model_state.group = group
