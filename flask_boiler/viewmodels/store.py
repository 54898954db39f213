"""Stores: the documents that a view reads, declared as slots.

Nothing is read before it is asked for, and everything is read through the reader that is in force,
so one declaration serves requests, transactions and live views.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from flask_boiler.errors import (
    BoilerError,
    DeclarationError,
    DocumentNotFoundError,
    MaterializationError,
    MissingIndexError,
    QueryError,
)
from flask_boiler.ground.callbacks import is_failure, require_plain_members
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.ports import Incomplete
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.slots.each import Each, each
from flask_boiler.viewmodels.slots.param import Param, param
from flask_boiler.viewmodels.slots.reference import Reference, SingleReference, reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.slots.slot import HasSlots, MemberWanted, Slot
from flask_boiler.viewmodels.stored_view import StoredView

__all__ = ["Store"]

logger = logging.getLogger(__name__)

#: What `ViewModel.new` and `ViewModel.get` take besides the slots, by name.
_NOT_SUBJECTS = ("cls", "doc_id", "once", "f_notify", "timeout_s")
#: The functions that declare slots.
_DECLARING = (root, param, each, reference)
#: Stands for the member of an `each` while it is found out what is the same for all of them.
_NO_MEMBER: Any = object()
#: Stands for the member of an `each` while its source says who the members are.
_NOT_YET: Any = object()


class Store(HasSlots):
    """The documents that one computation of a view reads; made anew for each.

    :param subject: what the view is of, by slot: of roots and of the member of an ``each`` ids,
        paths, references, snapshots or models; of parameters their values.
    :raises DeclarationError: there is no such slot; when the class is created, two slots could be
        meant by one name, or there are two of :func:`each`.
    """

    _slots: ClassVar[Mapping[str, Slot[Any]]] = MappingProxyType({})
    _subject: ClassVar[tuple[Slot[Any], ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)
        cls._slots = MappingProxyType(_slots_of(cls))
        roots = [slot for slot in cls.references().values() if slot.is_root]
        params = [slot for slot in cls._slots.values() if isinstance(slot, Param)]
        cls._subject = (*roots, *params, *filter(None, [_only_each(cls)]))
        _check_names(cls)

    def __init__(self, /, **subject: Any) -> None:
        self._fed: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._looking_ahead = False
        self._through: Callable[[Any, Slot[Any]], Any] | None = None
        self._wants_member = False
        for name, pointed in subject.items():
            self.feed(name, pointed)

    @classmethod
    def declared_slots(cls) -> Mapping[str, Slot[Any]]:
        """The declared slots by name, in order."""
        return cls._slots

    @classmethod
    def references(cls) -> Mapping[str, Reference[Any]]:
        """The declared slots that hold documents, by name, in order."""
        return {k: slot for k, slot in cls._slots.items() if isinstance(slot, Reference)}

    @classmethod
    def roots(cls) -> list[str]:
        """The names of the documents that have to be handed in."""
        return [s.name for s in cls._subject if isinstance(s, Reference) and s.is_root]

    @classmethod
    def subject_slots(cls) -> tuple[Slot[Any], ...]:
        """The slots that say what a view is of: roots, parameters, the member of an ``each``."""
        return cls._subject

    @classmethod
    def each_slot(cls) -> Each[Any] | None:
        """The slot of the members of which there is one view each, if there is one."""
        last = cls._subject[-1] if cls._subject else None
        return last if isinstance(last, Each) else None

    def feed(self, name: str, pointed: Any) -> None:
        """Hand in what a slot points to; it is read when it is first asked for.

        :raises DeclarationError: the store has no such slot.
        """
        if name not in self._slots:
            raise DeclarationError(self._unknown(name))
        self._fed[name] = pointed
        self._held.pop(name, None)

    def id_handed_in(self, name: str) -> str | None:
        """The id of the document that a slot was handed, which is not read; ``None`` if of none."""
        slot = self._slots.get(name)
        pointed = self._fed.get(name)
        unknown = pointed is None or pointed is _NO_MEMBER or pointed is _NOT_YET
        if unknown or not isinstance(slot, Reference):
            return None
        return slot.part_of(pointed).rpartition("/")[2]

    def without_member(self) -> Self:
        """This store, which says by :class:`MemberWanted` where the member of an each is read."""
        slot = self.each_slot()
        if slot is not None:
            self._fed[slot.name] = _NO_MEMBER
        return self

    def want_member(self) -> NoReturn:
        """Say that the member of the ``each`` is read.

        :raises MemberWanted: always.
        """
        self._wants_member = True
        raise MemberWanted

    def wanted_member(self) -> bool:
        """Whether the member was read since this was asked last, be it that nobody let it out."""
        wanted, self._wants_member = self._wants_member, False
        return wanted

    def read_through(self, function: Callable[[Self, Slot[Any]], Any]) -> None:
        """Have ``function`` give the values of slots; :meth:`own_value` is what it stands for.

        What it gives is held, as what the store reads itself.
        """
        self._through = function

    def members_and_fault(self) -> tuple[dict[str, Any], DeclarationError | None]:
        """The members that the source of the ``each`` names, by their texts in the subject.

        And what is wrong with something else that it names.

        :raises DeclarationError: the source names no list of members, or reads the slot itself; or
            there is no ``each``.
        """
        slot = self.each_slot()
        if slot is None:
            raise DeclarationError(f"{type(self).__name__} has no each()")
        found: tuple[dict[str, Any], DeclarationError | None] = self._read_members(
            slot, slot.members_and_fault
        )
        return found

    def _read_members(self, slot: Each[Any], read: Callable[[Any], Any]) -> Any:
        fed, held = dict(self._fed), self._held
        self._fed[slot.name] = _NOT_YET
        # What was read for one member may be another document for the next.
        self._held = {k: v for k, v in held.items() if k in fed and k != slot.name}
        try:
            # No closure: the traceback of an error would keep it, and so the store with its reader.
            return self._named(slot, partial(slot.pointed_by, self), read)
        finally:
            self._fed, self._held = fed, {**self._held, **held}

    def require_member(self) -> None:
        """Check that the member of the ``each`` that was handed in is one, if there is an ``each``.

        :raises DocumentNotFoundError: it is not among those that the source names, or its document
            does not exist.
        """
        slot = self.each_slot()
        if slot is None:
            return
        member = slot.part_of(self._fed[slot.name])
        # The same for both: who is no member is not told who has a document elsewhere.
        absent = DocumentNotFoundError(member, f"there is no {slot.name} {member}")
        if not self._read_members(slot, lambda pointed: slot.names(pointed, member)):
            raise absent
        try:
            self._value(slot)
        except DocumentNotFoundError as error:
            raise absent from error

    def add_snapshot(self, name: str, *, dm_cls: type[Any] | None = None, snapshot: Any) -> None:
        """Hand in a snapshot for a slot; ``refresh`` makes it the slot's model.

        A store that declares no slots at all takes any name.

        :param dm_cls: the domain model, if the slot is not declared with one.
        :raises DeclarationError: the store declares slots, and none of this name.
        """
        if not self._slots:
            slot: SingleReference[Any] = SingleReference(dm_cls, None)
            slot.name, slot.owner = name, type(self).__name__
            self._held[name] = slot.resolve(snapshot)
            return
        self.feed(name, snapshot)

    def refresh(self) -> None:
        """Forget what was computed from the slots; it is computed again from what they hold now."""
        self._held = {k: v for k, v in self._held.items() if k not in self._slots}

    def models(self) -> list[Any]:
        """The models that were read through this store so far."""
        found: list[Any] = []
        for value in self._held.values():
            found.extend(value.values() if isinstance(value, Mapping) else [value])
        return [model for model in found if isinstance(model, Model | StoredView)]

    if not TYPE_CHECKING:
        # Hidden from type checkers, which would no longer find misspelled slots otherwise.
        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                # A property that raised: its error is the one to be seen, not that it is missing.
                return object.__getattribute__(self, name)
            if name in self._held:
                return self._held[name]
            raise AttributeError(self._unknown(name))

    def _unknown(self, name: str) -> str:
        known = ", ".join(self._slots) or "none"
        hint = nearest(name, (*self._slots, *self._held))
        return f"{type(self).__name__} has no slot {name!r}{hint} (it has: {known})"

    def _value(self, slot: Slot[Any]) -> Any:
        if self._through is None:
            return self.own_value(slot)
        if slot.name not in self._held:
            self._held[slot.name] = self._through(self, slot)
        return self._held[slot.name]

    def own_value(self, slot: Slot[Any]) -> Any:
        """The value of a slot, read if it is not held yet.

        :raises MemberWanted: its source has asked for the member, be it that it caught the signal.
        """
        if slot.name not in self._held:
            try:
                value = self._named(slot, partial(self._pointed, slot), slot.resolve)
            except MemberWanted:
                raise
            except Incomplete as incomplete:
                if self._through is not None:
                    # Whoever gives the other slots is asked for them when they are needed.
                    raise
                raise Incomplete(incomplete.missing | self._missing_elsewhere()) from None
            except BaseException:
                if not self._wants_member:
                    raise
                self.want_member()
            if self._wants_member:
                raise MemberWanted
            self._held[slot.name] = value
        return self._held[slot.name]

    def _named(self, slot: Slot[Any], source: Callable[[], Any], read: Callable[[Any], Any]) -> Any:
        """What ``read`` makes of what a slot's source gives.

        Whatever else goes wrong is told with the slot's name. An AttributeError in particular must
        not come through: Python would take it for the slot's being missing.
        """
        step = "its source"
        try:
            pointed = source()
            step = "reading it"
            return read(pointed)
        except Incomplete:
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            unasked = isinstance(error, QueryError) and not isinstance(error, MissingIndexError)
            if isinstance(error, BoilerError) and not unasked:
                raise
            raise MaterializationError(
                f"{type(self).__name__}.{slot.name}: {step} raised {type(error).__name__}: {error}",
                key=type(self).__name__,
                attribute=slot.name,
            ) from error

    def _pointed(self, slot: Slot[Any]) -> Any:
        if slot.name in self._fed:
            pointed = self._fed[slot.name]
            if pointed is _NO_MEMBER:
                self.want_member()
            if pointed is _NOT_YET:
                raise DeclarationError(
                    f"{slot!r}: its source says who the members are, and so cannot read "
                    f"{slot.name}, which is one of them"
                )
            return pointed
        if isinstance(slot, Reference) and slot.source is not None and not isinstance(slot, Each):
            return slot.pointed_by(self)
        if not isinstance(slot, Reference):
            raise DeclarationError(f"{slot!r} has no value yet: pass it to new()")
        source = "" if isinstance(slot, Each) else ", or give the reference a source"
        raise DeclarationError(
            f"{slot!r} has no document yet: pass it to new() or add_snapshot(){source}"
        )

    def _missing_elsewhere(self) -> frozenset[Any]:
        """The targets that the other slots miss too, so that one round of reads serves them all."""
        if self._looking_ahead:
            return frozenset()
        self._looking_ahead = True
        missing: set[Any] = set()
        try:
            for name in self._slots:
                try:
                    getattr(self, name)
                except Incomplete as incomplete:
                    missing |= incomplete.missing
                except Exception as error:
                    # Only a look ahead: whoever really reads the slot gets the error.
                    logger.debug("looking ahead at %s failed: %s", name, error)
        finally:
            self._looking_ahead = False
        return frozenset(missing)


def _slots_of(store_cls: type[Store]) -> dict[str, Slot[Any]]:
    """The slots of a class by name: its own, and those of its bases that nothing else replaces.

    :raises DeclarationError: one has a name that the framework needs, or is declared wrongly.
    """
    slots: dict[str, Slot[Any]] = {}
    for ancestor in reversed(store_cls.__mro__):
        for name, member in vars(ancestor).items():
            if isinstance(member, Slot):
                slots[name] = member
            elif any(member is declare for declare in _DECLARING):
                raise DeclarationError(
                    f"{store_cls.__name__}.{name} is {member.__name__} itself: call it, as in "
                    f"{name} = {member.__name__}({'str' if member is param else 'City'})"
                )
            else:
                slots.pop(name, None)
    needed = vars(Store())
    for name, slot in slots.items():
        if hasattr(Store, name) or name in needed:
            raise DeclarationError(
                f"{store_cls.__name__}.{name}: a Store has {name!r} already; give the slot "
                "another name"
            )
        if slot.name != name:
            raise DeclarationError(
                f"{store_cls.__name__}.{name} is {slot!r}: declare a slot for each name"
            )
        slot.check()
    return slots


def _only_each(store_cls: type[Store]) -> Each[Any] | None:
    found = [slot for slot in store_cls.declared_slots().values() if isinstance(slot, Each)]
    if len(found) > 1:
        raise DeclarationError(
            f"{store_cls.__name__} has two of each(), {found[0].name} and {found[1].name}: "
            "have one source name the pairs, or use two views"
        )
    return found[0] if found else None


def _check_names(store_cls: type[Store]) -> None:
    """Check that each slot of the subject has names of its own, wherever somebody asks for a view.

    :raises DeclarationError: one has not.
    """
    slots = store_cls.subject_slots()
    declared = [slot for slot in slots if type(slot) is not SingleReference]
    for slot in declared:
        if slot.name in _NOT_SUBJECTS:
            raise DeclarationError(
                f"{slot!r}: {slot.name!r} has another meaning where a view is asked for; give the "
                "slot another name"
            )
    if not declared:
        # As views of references alone always were: each is told apart by its own name.
        return
    for first, second in itertools.combinations(slots, 2):
        for name in first.from_outside:
            if name in second.from_outside:
                raise DeclarationError(
                    f"{store_cls.__name__}: {name!r} in a path or a route could be {first.name} or "
                    f"{second.name}; give one of them another name"
                )
