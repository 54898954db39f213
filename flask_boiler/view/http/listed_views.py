"""The views of a list: of the roots that a query finds, or of the members of an ``each``.

A list's rule names all that its views are of but for one slot, which varies.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from werkzeug.datastructures import MultiDict

from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import BoilerError, ConfigurationError, QueryError
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.page import Page, Seal
from flask_boiler.view.http.listing import ListQuery, PageQuery, filterable
from flask_boiler.view.http.route_rules import outer_name
from flask_boiler.view.mediation.keeping.own_models import of_its_own
from flask_boiler.view.mediation.representation import as_views_own
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.slots.slot import MemberWanted, Slot
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel, store_class
from flask_boiler.viewmodels.view_subject import SEPARATOR, ViewSubject

__all__ = ["ListedView", "ListedViews", "listed_views"]

logger = logging.getLogger(__name__)

#: What the tokens of these pages are bound to, beside their route.
_MEMBERS = b"members"


class ListedView(NamedTuple):
    """A view of a list, not computed yet."""

    #: The key of what varies: what the list shows it by.
    key: str
    #: What it is of.
    identity: str
    #: Builds it, read through what is in force.
    build: Callable[[], ViewModel]


class ListedViews(Protocol):
    """The views that a list shows, where its rule names some of their slots."""

    #: The slot that varies.
    slot: str
    #: The attributes that requests may filter and sort by, by the names of parameters.
    filterable: Mapping[str, Attr[Any]]

    def asked(self, arguments: MultiDict[str, str]) -> PageQuery:
        """What the parameters of a request ask for.

        :raises Refusal: naming each that is unknown or wrong.
        """
        ...

    def page(self, asked: PageQuery, fixed: Mapping[str, str], seal: Seal) -> Page[ListedView]:
        """A page, read through what is in force.

        :param fixed: the parts of the subject that the rule names, by slot.
        :raises DocumentNotFoundError: one of them is a document that is not there.
        """
        ...


class _OfRoots:
    """The views of the roots that a query finds."""

    filterable: Mapping[str, Attr[Any]]

    def __init__(self, subject: ViewSubject[Any], slot: str, filters: Sequence[str]) -> None:
        self.slot = slot
        self._subject = subject
        self._model: type[DomainModel] = subject.models[slot]
        self.filterable = filterable(subject.view_cls, self._model, slot, filters)

    def asked(self, arguments: MultiDict[str, str]) -> ListQuery:
        return ListQuery(self._model, self.filterable, arguments)

    def page(self, asked: Any, fixed: Mapping[str, str], seal: Seal) -> Page[ListedView]:
        self._subject.require_roots(fixed)
        found = asked.query.snapshot_page(asked.limit, asked.page_token, seal=seal)
        return Page([self._listed(root, fixed) for root in found.results], found.next_page_token)

    def _listed(self, root: Snapshot, fixed: Mapping[str, str]) -> ListedView:
        identity = _identity(self._subject, {**fixed, self.slot: root.path})

        def build() -> ViewModel:
            if self._subject.is_document:
                view: ViewModel = self._subject.open_snapshot(root)
                return view
            given = {**self._subject.values_of(fixed), self.slot: root}
            opened: ViewModel = self._subject.open_parts(given)
            return opened

        return ListedView(self._model.key_of(root.path), identity, build)


class _OfMembers:
    """The views of the members of an ``each``, in the order of their keys."""

    filterable: Mapping[str, Attr[Any]] = {}

    def __init__(self, subject: ViewSubject[Any], slot: str) -> None:
        self.slot = slot
        self._subject = subject

    def asked(self, arguments: MultiDict[str, str]) -> PageQuery:
        return PageQuery(arguments)

    def page(self, asked: PageQuery, fixed: Mapping[str, str], seal: Seal) -> Page[ListedView]:
        after = None if asked.page_token is None else _opened(asked.page_token, seal)
        self._subject.require_roots(fixed)
        with as_views_own(SEPARATOR.join(fixed.values())):
            common = _Common(self._subject, fixed)
        following = sorted(part for part in common.members if after is None or part > after)
        shown = following[: asked.limit]
        more = len(following) > len(shown)
        return Page(
            [self._listed(part, fixed, common) for part in shown],
            _sealed(shown[-1], seal) if more else None,
        )

    def _listed(self, part: str, fixed: Mapping[str, str], common: _Common) -> ListedView:
        identity = _identity(self._subject, {**fixed, self.slot: part})
        return ListedView(
            self._subject.key_part(self.slot, part), identity, partial(common.view_of, part)
        )


class _Common:
    """What the views of all members have in common, which is read and computed once.

    It is found out without a member: what asks for one is each view's own.

    :param fixed: what the views are of besides, by slot.
    """

    def __init__(self, subject: ViewSubject[Any], fixed: Mapping[str, str]) -> None:
        self._view_cls: type[ViewModel] = subject.view_cls
        self._store_cls = store_class(subject.view_cls)
        self._given = subject.values_of(fixed)
        self._store = self._store_cls(**self._given).without_member()
        #: What the source names, by the texts in the subject.
        self.members, fault = self._store.members_and_fault()
        if fault is not None:
            logger.warning("a list of %s leaves something out: %s", self._view_cls.__name__, fault)
        self._own: set[str] = set()
        self._fields: Mapping[str, Any] = self._shared_fields()

    def view_of(self, part: str) -> ViewModel:
        """The view of a member.

        :raises DocumentNotFoundError: its document does not exist.
        """
        slot = self._store_cls.each_slot()
        assert slot is not None  # there are members
        store = self._store_cls(**{**self._given, slot.name: of_its_own(self.members[part])})
        store.read_through(self._value)
        view = self._view_cls(store=store)
        view.take_fields(self._fields)
        _ = getattr(store, slot.name)
        return view

    def _value(self, store: Store, slot: Slot[Any]) -> Any:
        if slot.name not in self._own and not isinstance(slot, Each):
            try:
                return of_its_own(self._store.own_value(slot))
            except MemberWanted:
                self._store.wanted_member()
                self._own.add(slot.name)
        return store.own_value(slot)

    def _shared_fields(self) -> Mapping[str, Any]:
        try:
            return self._view_cls(store=self._store).fields_of_all_members()
        except (Incomplete, BoilerError):
            # Each view says by itself what it misses, and what is wrong with it.
            return {}


def listed_views(
    subject: ViewSubject[Any], named: Collection[str], filters: Sequence[str] = ()
) -> ListedViews:
    """The views of a list whose rule names some slots.

    :param filters: further attributes of the root that requests may filter by.
    :raises ConfigurationError: it cannot be known which views there are; with what to do. Or the
        root has no such attribute.
    """
    name = subject.view_cls.__name__
    open_slots = [slot for slot in subject.slots if slot not in named]
    if not open_slots:
        raise ConfigurationError(
            f"there is nothing to list: the rule names all that {name} is of"
            f"{'' if subject.slots else ', as there is one'}: serve it by add_instance_get"
        )
    params = [slot for slot in open_slots if isinstance(subject.slots[slot], Param)]
    if len(params) == len(open_slots):
        raise ConfigurationError(
            f"a list of {name} would need all values of {' and '.join(params)}, which nobody "
            f"knows: serve each view by add_instance_get, as in …/<{'>/<'.join(params)}>"
        )
    if params or len(open_slots) > 1:
        wanted = params if len(open_slots) - len(params) == 1 else open_slots
        raise ConfigurationError(
            f"a list of {name} shows the views of all roots, or of all members, and does not know "
            f"of which {' and '.join(wanted)}: name {'it' if len(wanted) == 1 else 'all but one'} "
            f"in the rule, as in /<{outer_name(subject, wanted[-1])}>"
        )
    [slot] = open_slots
    if not isinstance(subject.slots[slot], Each):
        return _OfRoots(subject, slot, filters)
    if filters:
        raise ConfigurationError(
            f"filters={list(filters)!r} are attributes of roots, and this list of {name} is of the "
            f"members of one: leave them out"
        )
    return _OfMembers(subject, slot)


def _identity(subject: ViewSubject[Any], parts: Mapping[str, str]) -> str:
    return SEPARATOR.join(parts[slot] for slot in subject.slots)


def _sealed(part: str, seal: Seal) -> str:
    """The token of the page that follows a member's."""
    sealed = seal.seal(part.encode(), bound_to=_MEMBERS)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _opened(token: str, seal: Seal) -> str:
    """The member that a token follows.

    :raises QueryError: it is none of this list.
    """
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        sealed = b""
    part = seal.opened(sealed, bound_to=_MEMBERS)
    if part is None:
        raise QueryError(
            f"{token!r:.80} is not a page token of this list: give the next_page_token of one of "
            "its pages, or none for the first page"
        )
    return part.decode()
