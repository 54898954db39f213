"""The subject of a view: what says which view of its class it is, and what it is built of.

Inside it is a text, in which the parts stand in the order roots, parameters, member, with ``//``
between them, which neither a path nor an id contains: ``Room/lobby//2024//User/ann``. Of one root
alone it is the root's path. Of a view of which there is only one it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    ValidationError,
)
from flask_boiler.ground.naming import id_fault, nearest
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import Snapshot, names_document
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.slots.reference import Reference
from flask_boiler.viewmodels.slots.slot import Slot
from flask_boiler.viewmodels.view_builder import (
    ViewBuilder,
    require_no_more_than_root,
    require_one_root,
)
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class

__all__ = ["SEPARATOR", "ViewSubject", "read_documents"]

V = TypeVar("V", bound=ViewModel)

#: Stands between the parts of a subject.
SEPARATOR = "//"


class ViewSubject(Generic[V]):
    """The subject that the views of one class have, and how a view is named and built by it.

    Whoever asks for a view from outside names it by a *key*. For a view of one root alone it is
    the root's id, or its path if roots lie below other documents, which may have the same ids below
    them. Otherwise it has a part for each slot, as the subject has, with keys in place of paths.

    :param root: the model of the only root, where the view's store does not say.
    :raises ConfigurationError: a root, or the member of an ``each``, is not one domain model; or
        the class has a ``new`` of its own, and views of its store are not of one root alone.
    """

    def __init__(self, view_cls: type[V], root: type[DomainModel] | None = None) -> None:
        self.view_cls = view_cls
        self._own_new = has_own_new(view_cls)
        slots = store_class(view_cls).subject_slots()
        if self._own_new:
            require_one_root(view_cls)
            require_no_more_than_root(view_cls)
        #: The slots that the subject consists of, by name, in order.
        self.slots: Mapping[str, Slot[Any]] = {slot.name: slot for slot in slots}
        self._models = {
            slot.name: root if root is not None and self.is_document else _model_of(view_cls, slot)
            for slot in slots
            if isinstance(slot, Reference) and not _is_of_ids(slot)
        }

    @property
    def roots(self) -> list[str]:
        """The names of the roots."""
        return [name for name, slot in self.slots.items() if _is_root(slot)]

    @cached_property
    def is_document(self) -> bool:
        """Whether the view is of one root alone, whose id names it."""
        return len(self.slots) == 1 and bool(self.roots)

    @property
    def name(self) -> str:
        """The name of the only root.

        :raises ConfigurationError: there is none, or there are several.
        """
        if len(self.roots) != 1:
            raise ConfigurationError(
                f"{self.view_cls.__name__} has {len(self.roots)} roots "
                f"({', '.join(self.roots) or 'none'}), so an id is not enough to name a view: "
                "annotate `store` with a Store that has one root, or write the method yourself"
            )
        return self.roots[0]

    @property
    def model(self) -> type[DomainModel]:
        """The domain model of the only root.

        :raises ConfigurationError: there is none, or there are several.
        """
        return self._models[self.name]

    @property
    def models(self) -> Mapping[str, type[DomainModel]]:
        """The domain models of the slots that hold documents, by name."""
        return self._models

    def require_document(self, what: str) -> None:
        """Check that the view is of one root alone.

        :param what: what is only possible then: what the error begins with.
        :raises ConfigurationError: it is not.
        """
        if not self.is_document:
            of = ", ".join(self.slots) or "nothing, as there is one"
            raise ConfigurationError(
                f"{what} is for views of one root alone, and {self.view_cls.__name__} is of {of}"
            )

    @property
    def built_from_model(self) -> bool:
        """Whether a loaded model is enough to build the view."""
        return not self._own_new and self.is_document

    def require_buildable(self) -> None:
        """Check that a view can be built.

        :raises ConfigurationError: its ``new`` cannot be called with what there is of a document.
        """
        if self._own_new:
            _ = self._builder

    @cached_property
    def _builder(self) -> ViewBuilder[V]:
        return ViewBuilder(self.view_cls)

    # --- from outside ----------------------------------------------------------------------

    def key(self, arguments: Mapping[str, Any]) -> str:
        """The key of the view that somebody asks for.

        :param arguments: all slots, by any of their names from outside; of a view of one root
            alone, ``doc_id``, too. They are texts, as in a key, or of parameters also other values.
        :raises ValidationError: naming each that is unknown, missing, given twice, or wrong.
        """
        wrong: dict[str, list[str]] = {}
        given: dict[str, str] = {}
        known = self.names_from_outside()
        for name in arguments:
            if name not in known:
                hint = nearest(name, known)
                said = ", ".join(self.slots) or "none"
                wrong[name] = [f"Unknown argument; there are {said}{hint or '.'}"]
            elif known[name] in given:
                wrong[name] = [f"The same as {given[known[name]]}: give one of them."]
            else:
                given[known[name]] = name
        parts = []
        for slot in self.slots:
            if slot not in given:
                wrong["doc_id" if self.is_document else slot] = ["Missing."]
                continue
            name = given[slot]
            try:
                parts.append(self._text(slot, arguments[name]))
            except ValidationError as error:
                wrong[name] = [said for each in error.messages.values() for said in each]
        if wrong:
            raise ValidationError(wrong)
        return SEPARATOR.join(parts)

    def names_from_outside(self) -> dict[str, str]:
        """The slots by all names that they may be handed in by."""
        names = {name: slot.name for slot in self.slots.values() for name in slot.from_outside}
        # References may be called so that the name of one is a further name of another.
        names |= {name: name for name in self.slots}
        return {**names, "doc_id": self.name} if self.is_document else names

    def arguments(self, key: str) -> dict[str, str]:
        """The texts of the slots of a key, by the slots' names.

        :raises ValidationError: it is no key.
        """
        return dict(zip(self.slots, self._split(key), strict=True))

    def parts(self, named: Mapping[str, Any]) -> dict[str, str]:
        """The parts of a subject that some of its slots are, by slot, in their order.

        :param named: the texts of these slots, by their names.
        :raises ValidationError: one of them is wrong.
        """
        return {slot: self.part_of(slot, named[slot]) for slot in self.slots if slot in named}

    def identity(self, key: str) -> str:
        """The subject that a key names.

        :raises ValidationError: it names none.
        """
        if self.is_document:
            return self.path_of(key)
        parts = zip(self.slots, self._split(key), strict=True)
        return SEPARATOR.join(self.part_of(slot, part) for slot, part in parts)

    def _text(self, name: str, given: Any) -> str:
        """What stands in a key for what somebody handed in for a slot."""
        slot = self.slots[name]
        if isinstance(slot, Param) and not isinstance(given, str):
            return slot.part_of(given)
        self.part_of(name, given)
        return str(given)

    def part_of(self, name: str, text: Any) -> str:
        """The part of the subject that a slot's text in a key says.

        :raises ValidationError: it says none.
        """
        slot = self.slots[name]
        if name in self._models:
            return self._models[name].path_of_key(text)
        if isinstance(slot, Param):
            return slot.part_of(slot.value_of(text))
        fault = id_fault(text) if isinstance(text, str) else "Expected a text."
        if fault is not None:
            raise ValidationError({name: [fault]}, where=self.view_cls.__name__)
        return str(text)

    def _split(self, key: str) -> list[str]:
        if self.is_document:
            # What is wrong with it, its model says.
            return [key]
        parts = key.split(SEPARATOR) if self.slots and isinstance(key, str) else []
        if len(parts) != len(self.slots) or (not self.slots and key):
            expected = SEPARATOR.join(f"<{name}>" for name in self.slots) or "an empty text"
            fault = f"{key!r:.80} names no {self.view_cls.__name__}: expected {expected}"
            raise ValidationError({"doc_id": [fault]}, where=self.view_cls.__name__)
        return parts

    @cached_property
    def outlives_member(self) -> bool:
        """Whether documents of a view may stay where they are when its member has left."""
        has_member = any(isinstance(slot, Each) for slot in self.slots.values())
        return has_member and self.view_cls.on_delete() != "delete"

    def stored_place(self, key: str) -> str | None:
        """The path of the view's document; ``None`` if that takes more than the key to tell.

        It follows from a ``Meta.path`` whose only fields are ``doc_id`` of roots and members, and
        the parameters. What ``doc_ref`` or ``doc_refs`` say in code may depend on anything.
        """
        template = self.view_cls.path_template()
        in_code = any(
            getattr(self.view_cls, name) is not getattr(ViewModel, name)
            for name in ("doc_ref", "doc_refs")
        )
        known = None if template is None or in_code else self._fields_of_paths(key)
        return None if template is None or known is None else template.of_one_subject(known)

    def _fields_of_paths(self, key: str) -> dict[str, str] | None:
        """The texts that fields of a ``Meta.path`` have for a key."""
        if any(model.keyed_by_path() for model in self._models.values()):
            # Of two roots with one id, the place is the one's or the other's.
            return None
        return {
            f"{name}.doc_id" if name in self._models else name: text
            for name, text in self.arguments(key).items()
        }

    # --- views -----------------------------------------------------------------------------

    def exists(self, key: str) -> bool:
        """Whether there is the view that a key names, read through what is in force."""
        identity = self.identity(key)
        if self.is_document:
            return read_documents([identity])[identity].exists
        try:
            self.build(identity)
        except DocumentNotFoundError as error:
            if self.is_named(error.path, identity):
                return False
            raise
        return True

    @staticmethod
    def is_named(path: str, identity: str) -> bool:
        """Whether a document, or the id of a member, is one that a subject names."""
        return path in identity.split(SEPARATOR)

    def open(self, key: str) -> V:
        """The view that a key names, read through what is in force.

        :raises DocumentNotFoundError: there is no such root, or no such member.
        """
        return self.build(self.identity(key))

    def build(self, identity: str) -> V:
        """The view of a subject, read through what is in force.

        :raises DocumentNotFoundError: there is no such root, or no such member.
        """
        if self.is_document:
            return self.open_snapshot(read_documents([identity])[identity])
        return self.open_parts(self.values(identity))

    def open_parts(self, given: Mapping[str, Any]) -> V:
        """The view of what its store is handed, by slot.

        :raises DocumentNotFoundError: there is no such root, or no such member.
        """
        return self.view_cls.new(**given)

    def values(self, identity: str, *, without_member: bool = False) -> dict[str, Any]:
        """The parts of a subject, by slot: paths, values of parameters, the id of a member.

        :param without_member: the subject has all parts but that of the member.
        """
        slots = [
            name for name, s in self.slots.items() if not (without_member and isinstance(s, Each))
        ]
        parts = identity.split(SEPARATOR) if slots else []
        return self.values_of(dict(zip(slots, parts, strict=True)))

    def values_of(self, parts: Mapping[str, str]) -> dict[str, Any]:
        """What the store is handed for some parts of a subject, by slot."""
        return {name: self._value_of(self.slots[name], part) for name, part in parts.items()}

    @staticmethod
    def _value_of(slot: Slot[Any], part: str) -> Any:
        return slot.value_of(part) if isinstance(slot, Param) else part

    def divided(self, identity: str) -> tuple[str, str | None] | None:
        """A subject without its member, and the member, if it has one.

        ``None`` if it is no subject of the view, be it of an earlier declaration of it.
        """
        fixed = [slot for slot in self.slots.values() if not isinstance(slot, Each)]
        parts = identity.split(SEPARATOR) if identity else []
        if not len(fixed) <= len(parts) <= len(self.slots):
            return None
        slots = self.slots.values()
        if not all(_may_be(slot, part) for slot, part in zip(slots, parts, strict=False)):
            return None
        member = parts[len(fixed)] if len(parts) > len(fixed) else None
        return SEPARATOR.join(parts[: len(fixed)]), member

    def open_snapshot(self, snapshot: Snapshot) -> V:
        """The view of the root of a snapshot.

        :raises DocumentNotFoundError: it is that of a missing document.
        """
        if not snapshot.exists:
            raise DocumentNotFoundError(snapshot.path)
        return self._builder.build(snapshot)

    def require_roots(self, parts: Mapping[str, str]) -> None:
        """Check that the roots among some parts of a subject exist, read through what is in force.

        :raises DocumentNotFoundError: one does not.
        """
        paths = [part for name, part in parts.items() if name in self.roots]
        missing = [path for path, found in read_documents(paths).items() if not found.exists]
        if missing:
            raise DocumentNotFoundError(missing[0])

    def open_model(self, root: DomainModel) -> V:
        """The view of a model, stored or not.

        :raises ConfigurationError: the class has a ``new`` of its own, which takes no model.
        """
        if self._own_new:
            raise ConfigurationError(
                f"{self.view_cls.__name__} has its own new(), so the default cannot make a view "
                "whose root is not stored yet: write mutate_create yourself"
            )
        self.require_document("making a view of a root that is not stored yet")
        roots: dict[str, Any] = {self.name: root}
        return self.view_cls.new(**roots)

    def key_of(self, path: str) -> str:
        """The key of the view of one root alone, by the root's path."""
        return self.model.key_of(path)

    def values_of_key(self, key: str) -> dict[str, Any]:
        """What a key names, by slot: the keys of documents, ids of members, values of parameters.

        :raises ValidationError: it is no key.
        """
        named = self.arguments(key)
        self.parts(named)
        return self.values_of(named)

    def key_part(self, name: str, part: str) -> str:
        """What stands in keys for a part of a subject, such as the id for a path."""
        return self._models[name].key_of(part) if name in self._models else part

    def path_of(self, key: str) -> str:
        """The path of the root of a view of one root alone.

        :raises ValidationError: Firestore does not allow the id, or it is no path of such a root.
        """
        return self.model.path_of_key(key)

    def key_of_view(self, view: ViewModel) -> str:
        """The key of a view, by what its store holds."""
        parts = []
        for name, slot in self.slots.items():
            held = getattr(view.store, name)
            model = self._models.get(name)
            parts.append(slot.part_of(held) if model is None else model.key_of(held.doc_path))
        return SEPARATOR.join(parts)

    def of(self, view: ViewModel) -> DomainModel:
        """The only root of a view."""
        root: DomainModel = getattr(view.store, self.name)
        return root

    def forget_rest(self, view: ViewModel) -> None:
        """Keep the roots as they are, and have everything else that the store holds read again."""
        held = {name: getattr(view.store, name) for name in self.roots}
        view.store.refresh()
        for name, root in held.items():
            view.store.feed(name, root)


def read_documents(paths: list[str]) -> Mapping[str, Snapshot]:
    """The documents at these paths, read through what is in force."""
    if not paths:
        return {}
    reader = current_reader() or DirectReader(current_context().datastore)
    return reader.documents(paths)


def _may_be(slot: Slot[Any], part: str) -> bool:
    """Whether a text may be the part of a slot in a subject."""
    if isinstance(slot, Reference) and not _is_of_ids(slot):
        return names_document(part)
    if isinstance(slot, Param):
        try:
            slot.value_of(part)
        except ValidationError:
            return False
    return id_fault(part) is None


def _is_root(slot: Slot[Any]) -> bool:
    return isinstance(slot, Reference) and slot.is_root


def _is_of_ids(slot: Slot[Any]) -> bool:
    return isinstance(slot, Each) and slot.of_ids


def _model_of(view_cls: type[ViewModel], slot: Reference[Any]) -> type[DomainModel]:
    model: type[Any] | None = slot.model
    if model is None or not issubclass(model, DomainModel):
        raise ConfigurationError(
            f"{slot!r}, of which a {view_cls.__name__} is, does not say which domain model it is: "
            f"declare it as {slot.name} = root(…) with the class"
        )
    return model
