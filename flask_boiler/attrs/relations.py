"""Relations as attributes: what reads as references, and what reads as the models themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.attributed import Attributed, AttributedDocument, Link
from flask_boiler.attrs.kinds.container_kinds import ManyKind, named_items
from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch, collect
from flask_boiler.attrs.kinds.nested_kind import NestedKind, Revision
from flask_boiler.attrs.model_state import UNSET, Omit
from flask_boiler.firestore.native import BaseDocumentReference, is_transform

__all__ = [
    "NestedRelationAttr",
    "NestingDocument",
    "Related",
    "RelationAttr",
]

T = TypeVar("T")
S = TypeVar("S")


class RelationAttr(Attr[T]):
    """An attribute that reads as references and takes whatever leads to one."""

    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, value)

    if TYPE_CHECKING:

        @overload
        def setter(
            self: RelationAttr[S | Omit], fset: Callable[[Any, Any], None]
        ) -> RelationAttr[S | Omit]: ...
        @overload
        def setter(self, fset: Callable[[Any, Any], None]) -> Self: ...
        def setter(self, fset: Any) -> Any:
            """Have ``fset`` assign the attribute, with whatever was given."""

    else:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            value = super().__get__(instance, owner)
            if instance is None or value is None or self.computed:
                return value
            return self._as_references(instance, value)

    def _as_references(self, instance: Any, value: Any) -> Any:
        if all(isinstance(item, BaseDocumentReference) for item in _items(value)):
            return value
        references = self.to_stored(value)
        self.put(instance, references)
        return references


class NestingDocument(AttributedDocument):
    """A document whose nested relations read as the related models, which it can load."""

    #: Its relations whose documents are loaded and saved with it.
    _nested: ClassVar[tuple[NestedRelationAttr[Any], ...]] = ()

    def _load_related(self, attribute: NestedRelationAttr[Any]) -> None:
        """Have the attribute fulfilled: read what it wants, through what is in force.

        :raises Mismatch: it leads to a document of another class.
        """
        raise NotImplementedError


class Related:
    """The value of a nested relation, and the references that it was read from.

    A document that is missing is in the references and not in the value. As long as nobody
    changes the value, the references stay as they are stored.
    """

    __slots__ = ("_references", "_shown", "value")

    def __init__(self, references: Any, value: Any) -> None:
        self._references = references
        self._shown = _places(value)
        #: The model, or the list or dict of models: the very one that was handed out.
        self.value = value

    @property
    def loaded(self) -> bool:
        """Whether it holds models only, and no reference that somebody has put there."""
        return all(
            item is None or isinstance(item, AttributedDocument) for item in _items(self.value)
        )

    @property
    def references(self) -> Any:
        """The references to store: those that were read, or the value if it was changed."""
        return self._references if _places(self.value) == self._shown else self.value

    def confirm(self) -> None:
        """Take what it is now as what is stored."""
        self._references, self._shown = self.references, _places(self.value)


class NestedRelationAttr(RelationAttr[T]):
    """A relation that reads as the related models, which are loaded and saved with their owner.

    Until somebody looks at it, the references are all there is. Then it is loaded for all models
    that were read together.
    """

    @property
    def related_kind(self) -> NestedKind:
        """The kind of one reference."""
        declared = self._explicit_kind
        kind = declared.of if isinstance(declared, ManyKind) else declared
        assert isinstance(kind, NestedKind)
        return kind

    @property
    def many(self) -> bool:
        """Whether it is a list or a dict."""
        return isinstance(self._explicit_kind, ManyKind)

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            return self.value_of(instance) if self._fget is None else self._fget(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        if any(isinstance(item, Revision) for item in _items(value)):
            value = _mapped(value, _revised)
        super().__set__(instance, value)

    def put(self, instance: Attributed, value: Any) -> None:
        """Set the value that lies under a getter or a setter."""
        super().put(instance, value)
        instance._model_state.related.pop(self.attribute_name, None)

    def value_of(self, instance: Any) -> T:
        """The related models; ``None`` for a missing one, which a list or dict leaves out.

        :raises StoredDataError: what is stored leads to no document, or to one of another class.
        :raises ValidationError: the same of what was assigned.
        """
        related = instance._model_state.related.get(self.attribute_name)
        if related is not None and related.loaded:
            return related.value  # type: ignore[no-any-return]
        if related is not None:
            self.put(instance, related.value)
        held: Any = super().value_of(instance)
        if held is None or is_transform(held):
            return held  # type: ignore[no-any-return]
        try:
            self._load(instance)
        except Mismatch as mismatch:
            if self.is_as_read(instance) and instance._model_state.is_stored:
                mismatch = StoredMismatch(mismatch.messages)
            raise mismatch.error(self.attribute_name, where=instance._where()) from mismatch
        return instance._model_state.related[self.attribute_name].value  # type: ignore[no-any-return]

    def held_by(self, instance: Attributed) -> Any:
        """The references, or the models that have taken their place; loads nothing."""
        related = instance._model_state.related.get(self.attribute_name)
        if related is not None and not self.computed:
            return related.references
        return super().held_by(instance)

    def dump(self, instance: Attributed, *, bare: bool = False) -> Any:
        """The references; for a view, what the related models show."""
        held = self.held_by(instance)
        if bare and held is not UNSET and held is not None and not self.computed:
            held = self.value_of(instance)
        return self._dump_of(instance, held, bare=bare)

    def adopt_for(self, instance: Attributed, value: Any) -> Any:
        """A value from outside: a dict of attributes changes the model that is there, or is new."""
        kind = self.related_kind
        maps = any(isinstance(item, Mapping) for item in [value, *_items(value)])
        if not maps or self.computed:
            return self.adopt(value)
        held: Any = None if self.is_unset(instance) else self.value_of(instance)
        if not self.many:
            return kind.revise(held, value)
        if not isinstance(value, Mapping):
            # In a list nothing tells which of the old ones is meant.
            return self.adopt(value)
        known = held if isinstance(held, Mapping) else {}
        return {key: kind.revise(known.get(key), item) for key, item in value.items()}

    # -- loading and saving

    def _load(self, instance: Attributed) -> None:
        if self.wanted(instance):
            # Who declares a nested relation is a document, or the declaration is refused.
            assert isinstance(instance, NestingDocument)
            instance._load_related(self)
        else:
            self.fulfil(instance, lambda path: None)

    def wanted(self, instance: Attributed) -> list[str]:
        """The paths of what was not loaded yet.

        :raises Mismatch: what is stored or assigned leads to no document.
        """
        state = instance._model_state
        if self.attribute_name in state.related:
            return []
        held = self._current(instance)
        if held is UNSET or is_transform(held):
            return []
        kind = self.related_kind
        items = (item for item in _items(held) if item is not None)
        return [kind.path_of(item) for item in items if not isinstance(item, AttributedDocument)]

    def fulfil(
        self, instance: Attributed, find: Callable[[str], AttributedDocument | None]
    ) -> None:
        """Read as what ``find`` gives for the paths that are wanted.

        :raises Mismatch: as ``find`` does, with the key of the list or dict.
        """
        state = instance._model_state
        held = self._current(instance)
        if self.attribute_name in state.related or held is UNSET or is_transform(held):
            return
        kind = self.related_kind

        def model_of(item: Any) -> Any:
            known = item is None or isinstance(item, AttributedDocument)
            return item if known else find(kind.path_of(item))

        models = [isinstance(item, AttributedDocument) for item in _items(held)]
        value = held if models and all(models) else _mapped(held, model_of)
        state.related[self.attribute_name] = Related(held, value)

    def links_in(self, value: Any) -> Iterator[Link]:
        """The references in a value, also those in new models; what was loaded is known to fit."""
        for key, item in named_items(value):
            if isinstance(item, NestingDocument):
                yield from (link.below(key) for link in _links_of(item))
            elif item is not None and not isinstance(item, Revision) and not is_transform(item):
                kind = self.related_kind
                yield Link(key, kind.path_of(item), kind.model)

    def is_as_read(self, instance: Attributed) -> bool:
        """Whether it is what the document says, rather than something that was assigned."""
        state = instance._model_state
        stored = self.stored_in(state.stored)
        return stored is not UNSET and self.same(self._current(instance), stored)

    def models_in(self, instance: Attributed) -> Collection[Any]:
        """The models that it holds now; loads nothing."""
        state, name = instance._model_state, self.attribute_name
        related = state.related.get(name)
        held = state.values.get(name) if related is None else related.value
        return [item for item in _items(held) if isinstance(item, AttributedDocument)]


def _links_of(model: NestingDocument) -> Iterator[Link]:
    for attribute in model._nested:
        # What a related model has assigned to it, and what is not looked at yet, is in its values.
        held = model._model_state.values.get(attribute.attribute_name)
        if held is not None and held is not UNSET:
            yield from (link.below(attribute.attribute_name) for link in attribute.links_in(held))


def _items(value: Any) -> list[Any]:
    """The items of a list or a dict, or the value alone."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def _mapped(value: Any, convert: Callable[[Any], Any]) -> Any:
    """The list, dict or single value, converted; parts that become ``None`` are left out.

    :raises Mismatch: as ``convert`` does, telling which of the values it is about.
    """
    if not isinstance(value, Mapping | list | tuple):
        return convert(value)
    named = list(named_items(value))
    converted = collect(named, convert)
    pairs = zip(named, converted, strict=True)
    kept = {name: item for (name, _), item in pairs if item is not None}
    return kept if isinstance(value, Mapping) else list(kept.values())


def _revised(value: Any) -> Any:
    return value.apply() if isinstance(value, Revision) else value


def _places(value: Any) -> Any:
    """A value with models as the paths that they lie at, to be compared."""

    def place(item: Any) -> Any:
        return item.doc_path if isinstance(item, AttributedDocument) else item

    if isinstance(value, Mapping):
        return {key: place(item) for key, item in value.items()}
    return list(map(place, value)) if isinstance(value, list | tuple) else place(value)
