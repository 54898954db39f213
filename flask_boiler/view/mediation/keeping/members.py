"""The members of a subject: who they are, and what is the same for the views of all of them.

::

    subject without its member ──► Group: the members, and what they share
                                      │   (computed once for each cut in which that changed)
                                      ▼
                    roster ──► a view for each member: only what depends on the member

What all share is found out by computing it without a member: what asks for one, be it through a
slot, is computed for each. So what a member's view itself reads is only its own. The roster reads
the rest, and has the views computed again to which a change of that matters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask_boiler.engine.cut_memo import CutMemo
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.precedence import Precedence
from flask_boiler.engine.roster import Entries
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import DeclarationError
from flask_boiler.firestore.native import same_value
from flask_boiler.ground.callbacks import as_exception, is_failure
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.mediation.keeping.own_models import of_its_own
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.slot import MemberWanted, Slot
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["Group", "Members", "RootsOf", "Shared"]

#: Gives the documents of a subject's roots in the cut of a reader, by path; ``None`` if the subject
#: is not there any more.
RootsOf = Callable[[CutReader], Mapping[str, Snapshot] | None]


@dataclass(frozen=True, slots=True)
class _Held:
    """The value of a slot that is the same for all members.

    :param depends: it is not; nothing else counts then.
    """

    value: Any = None
    depends: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """The members: what the source gave for each, by its text in the subject.

    :param fault: what is wrong with something else that the source gave.
    :param error: why nothing is known of them.
    """

    found: Mapping[str, Any] = field(default_factory=dict)
    fault: Exception | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """The attributes that are the same for all members, in their stored form.

    :param number: another one, if the values are others than before.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    error: Exception | None = None


class Group:
    """The members of one subject, and what their views share; for any number of threads.

    :param parts: the subject without its member, by slot.
    :param key: the key of its roster.
    :param key_of: the key of a member's view, by its text in the subject.
    :param precedence: has who leaves lose the documents before others show that.
    """

    def __init__(
        self,
        view_cls: type[ViewModel],
        parts: Mapping[str, Any],
        key: ViewKey,
        key_of: Callable[[str], ViewKey],
        roots_of: RootsOf,
        precedence: Precedence,
    ) -> None:
        self._view_cls = view_cls
        self._store_cls = store_class(view_cls)
        slot = self._store_cls.each_slot()
        assert slot is not None  # it is what makes a group
        self._each: Each[Any] = slot
        self._parts = dict(parts)
        self.key = key
        self._key_of = key_of
        self._roots_of = roots_of
        self.precedence = precedence
        self._slots = {
            slot.name: CutMemo(partial(self._compute_slot, slot))
            for slot in self._store_cls.declared_slots().values()
            if slot is not self._each
        }
        self._members = CutMemo(self._compute_members)
        self._shared = CutMemo(self._compute_shared)
        # Guards the following.
        self._lock = threading.Lock()
        #: What the roster has said last, and of which time.
        self._entries: Mapping[ViewKey, Hashable] = {}
        self._entries_ns = -1
        self._last = Shared()
        #: The time of the newest cut of which the roster has told.
        self._told_ns = -1
        #: The members that it told of last.
        self._told_members: Mapping[str, Any] = {}
        self._waiting: set[ViewKey] = set()
        #: The roots of which the roster has told, and those that members' views have read.
        self._told_roots: Hashable = None
        self._roots_read: dict[ViewKey, Hashable] = {}

    # --- the roster ------------------------------------------------------------------------

    def entries(self, reader: CutReader) -> Entries:
        """The members in the cut of a reader, and which of their views have to be computed.

        :raises Incomplete: the cut does not hold what says so.
        :raises Exception: who the members are cannot be told.
        """
        # A retry is to try anew, and not to be told the same.
        self._members.forget(_failed)
        self._shared.forget(_failed)
        # Whether it is named, the roster of all subjects has read, and it tells this one.
        common = CutReader(reader.cut)
        if not self.admit(common):
            return self._told(reader, {}, {}, gone=True)
        reader.given.update(common.given)
        members = self.members(reader)
        if members.error is not None:
            raise members.error
        try:
            shared = self.shared(reader)
        except Incomplete as incomplete:
            # Who has left need not wait for it, which may be refused for long.
            named = {self._key_of(text) for text in members.found}
            still = {key: token for key, token in self._entries.items() if key in named}
            return Entries(still, self.precedence.kept_but(named), error=incomplete)
        if shared.error is not None:
            # Who comes and who goes does not depend on it.
            tokens = self._said(reader, members.found, self._last.number)
            left, back = self.precedence.kept_but(tokens), self.precedence.not_kept(tokens)
            return Entries(tokens, left, back, error=shared.error)
        tokens = self._said(reader, members.found, shared.number)
        return self._told(reader, members.found, tokens, error=members.fault)

    def _said(
        self, reader: CutReader, found: Mapping[str, Any], number: int
    ) -> Mapping[ViewKey, Hashable]:
        entries = {self._key_of(text): (number, _version(member)) for text, member in found.items()}
        with self._lock:
            self._entries, self._entries_ns = entries, reader.cut.read_time_ns
        return entries

    def is_back(self, key: ViewKey, left_ns: int) -> bool:
        """Whether the roster has named a view since that left, not knowing that it had.

        :param left_ns: the time of the cut in which it was none of them.
        """
        with self._lock:
            return self._entries_ns > left_ns and key in self._entries

    def _told(
        self,
        reader: CutReader,
        members: Mapping[str, Any],
        entries: Mapping[ViewKey, Hashable],
        *,
        gone: bool = False,
        error: Exception | None = None,
    ) -> Entries:
        """The entries, and who waits for what the roster knows now, or has read other roots."""
        with self._lock:
            self._told_ns = reader.cut.read_time_ns
            self._told_members = members
            self._told_roots = _versions(reader)
            self._roots_read = {k: read for k, read in self._roots_read.items() if k in entries}
            stale = [k for k, read in self._roots_read.items() if read != self._told_roots]
            waiting, self._waiting = self._waiting, set()
        left, back = self.precedence.kept_but(entries), self.precedence.not_kept(entries)
        return Entries(entries, left, waiting.union(stale, back), gone, error)

    def note_roots(self, key: ViewKey, reader: CutReader) -> bool:
        """Note which roots a member's view has read; whether the roster has told of newer ones.

        They are given to the view, which is not computed again by itself when they change.
        """
        with self._lock:
            if not reader.given_reads:
                self._roots_read.pop(key, None)
                return False
            read = self._roots_read[key] = _versions(reader)
            return self._told_ns > reader.cut.read_time_ns and read != self._told_roots

    def await_roster(self, key: ViewKey, reader: CutReader) -> bool:
        """Have a view computed again after the roster; false if that knows the cut already."""
        with self._lock:
            if self._told_ns > reader.cut.read_time_ns:
                return False
            self._waiting.add(key)
        return True

    @property
    def is_untold(self) -> bool:
        """Whether the roster has never told of anybody, and perhaps is not kept."""
        with self._lock:
            return self._told_ns < 0

    def is_told(self, members: Mapping[str, Any]) -> bool:
        """Whether the roster has told of these members."""
        with self._lock:
            if members is self._told_members:
                return True
            # The same ones, found once more.
            same = members.keys() == self._told_members.keys()
            if same:
                self._told_members = members
            return same

    # --- what members share ----------------------------------------------------------------

    def admit(self, reader: CutReader) -> bool:
        """Have a reader give the roots; whether the subject is still there.

        :raises Incomplete: the cut does not hold what says so.
        """
        roots = self._roots_of(reader)
        reader.given.update(roots or {})
        return roots is not None

    def members(self, reader: CutReader) -> Members:
        """Who the members are; or why that cannot be told, which is not raised."""
        return self._members.of(reader, _versions(reader))

    def shared(self, reader: CutReader) -> Shared:
        """The attributes that are the same for all members; or why there are none, likewise."""
        return self._shared.of(reader, _versions(reader))

    def view_of(self, member: Any, reader: CutReader, shared: Shared) -> ViewModel:
        """The view of a member, which has what all share already.

        :raises DocumentNotFoundError: the member's document does not exist.
        """
        store = self._store_cls(**self._parts, **{self._each.name: of_its_own(member)})
        store.read_through(partial(self._slot_of_one, reader))
        view = self._view_cls(store=store)
        view.take_fields(shared.values)
        _ = getattr(store, self._each.name)
        return view

    def _slot_of_one(self, reader: CutReader, store: Store, slot: Slot[Any]) -> Any:
        if slot is self._each:
            return store.own_value(slot)
        held = self._slots[slot.name].of(reader, _versions(reader))
        return store.own_value(slot) if held.depends else of_its_own(held.value)

    def _slot_of_all(self, reader: CutReader, store: Store, slot: Slot[Any]) -> Any:
        if slot is self._each:
            # It says that there is none.
            return store.own_value(slot)
        held = self._slots[slot.name].of(reader, _versions(reader))
        if held.depends:
            store.want_member()
        return of_its_own(held.value)

    def _store(self, reader: CutReader) -> Store:
        """A store without a member."""
        store = self._store_cls(**self._parts).without_member()
        store.read_through(partial(self._slot_of_all, reader))
        return store

    def _compute_slot(self, slot: Slot[Any], reader: CutReader) -> _Held:
        # What it raises is not remembered: whoever is computed again is to try anew.
        try:
            with reading_through(reader):
                return _Held(self._store(reader).own_value(slot))
        except MemberWanted:
            return _Held(depends=True)

    def _compute_members(self, reader: CutReader) -> Members:
        try:
            store = self._store(reader)
            with reading_through(reader):
                found, fault = store.members_and_fault()
        except MemberWanted:
            return Members(error=self._in_a_circle())
        except BaseException as error:
            return Members(error=_failure(error, repr(self._each)))
        if store.wanted_member():
            return Members(error=self._in_a_circle())
        return Members(found, fault)

    def _in_a_circle(self) -> DeclarationError:
        return DeclarationError(
            f"{self._each!r}: its source depends on {self._each.name}, of which it has to name all"
        )

    def _compute_shared(self, reader: CutReader) -> Shared:
        try:
            with reading_through(reader):
                values = self._view_cls(store=self._store(reader)).fields_of_all_members()
        except MemberWanted:
            # The class reads the member before any attribute is asked for.
            values = {}
        except BaseException as error:
            return Shared(error=_failure(error, self._view_cls.__name__))
        with self._lock:
            if not self._last.number or not _same(values, self._last.values):
                self._last = Shared(values, self._last.number + 1)
            return self._last


def _versions(reader: CutReader) -> Hashable:
    """Equal, if the roots are the same."""
    return tuple((path, found.update_time_ns) for path, found in reader.given.items())


def _version(member: Any) -> int:
    """Equal, if what the source gave for a member is the same: of a query, the whole document."""
    return member._model_state.update_time_ns or 0 if isinstance(member, DomainModel) else 0


def _failed(known: Members | Shared) -> bool:
    return known.error is not None


def _failure(error: BaseException, what: str) -> Exception:
    if not is_failure(error):
        raise error
    return as_exception(error, what)


def _same(values: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    try:
        return same_value(values, before)
    except Exception:
        # Values of an application's own may refuse to be compared.
        return False
