"""Keeping views whose subject is not one document alone: of parameters, members, several roots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any
from weakref import WeakValueDictionary

from flask_boiler.engine.cut_memo import CutMemo
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import AnyView, LiveView
from flask_boiler.engine.precedence import Precedence
from flask_boiler.engine.roster import Entries, roster
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import DocumentNotFoundError
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.view.mediation.keeping.keeping import KeptInDocuments, Run
from flask_boiler.view.mediation.keeping.members import Group
from flask_boiler.view.mediation.keeping.named_subjects import NamedSubjects, Naming
from flask_boiler.view.mediation.keeping.notices import Notices
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class
from flask_boiler.viewmodels.view_subject import SEPARATOR, ViewSubject

__all__ = ["SubjectKeeping", "has_each"]

#: What the key of the roster of all subjects has in place of one; no subject begins so.
_POPULATION = f"{SEPARATOR}population"


def has_each(view_cls: type[ViewModel]) -> bool:
    """Whether there is a view for each of some members, beside other parts of the subject."""
    return not has_own_new(view_cls) and store_class(view_cls).each_slot() is not None


class SubjectKeeping(KeptInDocuments):
    """Keeps a view for each subject: those that ``query=`` names, and of an ``each`` the members.

    ::

        query= ──► roster of subjects ──┬──► view of a subject
                                        └──► roster of its members ──► view of a member

    :param named: the subjects without their members; ``None`` if these are the documents of the
        population, each of which is a root.
    :raises ConfigurationError: the views have no place, or the same one.
    """

    def __init__(self, view_cls: type[ViewModel], named: NamedSubjects | None) -> None:
        super().__init__(view_cls)
        self._subject = ViewSubject(view_cls)
        self._named = named
        self._each = store_class(view_cls).each_slot()
        self._state: tuple[Run, _State] | None = None

    def first_keys(self, mediator: str) -> list[ViewKey]:
        """The keys of what is kept from the start, whatever the population is."""
        return [] if self._named is None else [ViewKey(mediator, _POPULATION)]

    def knows(self, subject: str) -> bool:
        """Whether it is a subject of the view, with or without a member; or the roster of these."""
        return subject == _POPULATION or self._subject.divided(subject) is not None

    def live_view(self, key: ViewKey, run: Run) -> AnyView:
        """The live view of a subject or of a member, or the roster of these."""
        state = self._state_of(run)
        if key.subject == _POPULATION:
            return self._roster(
                key, run, state, state.subjects, lambda left, others: run.keep([*left, *others])
            )
        match self._subject.divided(key.subject):
            case None:
                # Of an earlier declaration of the view.
                return LiveView(key, lambda reader: Documents().computed(gone=True), run.publisher)
            case identity, None if self._each is None:
                return self._view(key, run, state)
            case identity, None:
                group = state.group(identity)
                return self._roster(key, run, state, group.entries, group.precedence.keep)
            case identity, member:
                return self._view_of_member(key, run, state.group(identity), member)

    def _state_of(self, run: Run) -> _State:
        if self._state is None or self._state[0] is not run:
            self._state = (run, _State(self._subject, self._named, run))
        return self._state[1]

    def _roster(
        self,
        key: ViewKey,
        run: Run,
        state: _State,
        entries: Callable[[CutReader], Entries],
        keep: Callable[[Collection[ViewKey], Collection[ViewKey]], None],
    ) -> LiveView[Documents]:
        gone = False

        def activated(reader: CutReader) -> Entries:
            nonlocal gone
            with run.context.activated():
                found = entries(reader)
            gone = found.gone
            return found

        made = roster(key, activated, keep, run.publisher)
        made.on_published = lambda _: state.left(key) if gone else None
        return made

    def _view(self, key: ViewKey, run: Run, state: _State) -> LiveView[Documents]:
        notices = self._notices(key, run)
        gone = False

        def compute(reader: CutReader) -> Computed[Documents]:
            nonlocal gone
            with run.context.activated():
                # Whether it is named, the roster has read.
                roots = state.roots_of(key.subject, CutReader(reader.cut))
                gone = roots is None
                if roots is None:
                    return self._take_leave(key, run)
                reader.given.update(roots)
                with reading_through(reader):
                    view = self._subject.view_cls.new(**self._subject.values(key.subject))
                    return self._computed(view, key, run, notices)

        return LiveView(
            key,
            compute,
            run.publisher,
            on_published=lambda _: state.left(key) if gone else None,
        )

    def _view_of_member(
        self, key: ViewKey, run: Run, group: Group, member: str
    ) -> LiveView[Documents]:
        notices = self._notices(key, run)
        precedence = group.precedence
        gone = False
        left_ns = 0

        def compute(reader: CutReader) -> Computed[Documents]:
            nonlocal gone, left_ns
            with run.context.activated():
                computed = self._computed_for(member, key, run, group, reader, notices)
            gone, left_ns = computed.gone, reader.cut.read_time_ns
            return computed

        def published(_: object) -> None:
            precedence.published(key, gone=gone)
            if gone and group.is_back(key, left_ns):
                run.keep([key])

        precedence.admit(key)
        return LiveView(
            key,
            compute,
            run.publisher,
            on_published=published,
            on_parked=lambda _: precedence.passed_over(key),
        )

    def _computed_for(
        self,
        member: str,
        key: ViewKey,
        run: Run,
        group: Group,
        reader: CutReader,
        notices: Notices | None,
    ) -> Computed[Documents]:
        # What all members share, the roster has read.
        common = CutReader(reader.cut)
        if not group.admit(common):
            return self._take_leave(key, run)
        try:
            members = group.members(common)
            if members.error is None and member not in members.found:
                # Whatever becomes of the views of a root that is deleted.
                return Documents().computed(gone=True)
            shared = group.shared(common) if members.error is None else None
        except Incomplete:
            # It is the roster that waits for it.
            return self._once_told(key, run, group, common)
        if shared is None or shared.error is not None or not group.is_told(members.found):
            # It is the roster that is parked, or tells.
            return self._once_told(key, run, group, common)
        if group.precedence.wait(key):
            return self._unchanged(key, run)
        reader.given.update(common.given)
        try:
            with reading_through(reader):
                try:
                    view = group.view_of(members.found[member], reader, shared)
                except DocumentNotFoundError:
                    # It may come, and then is a member.
                    return Documents().computed()
                return self._computed(view, key, run, notices)
        finally:
            if group.note_roots(key, reader):
                run.keep([key])

    def _once_told(
        self, key: ViewKey, run: Run, group: Group, reader: CutReader
    ) -> Computed[Documents]:
        if not group.await_roster(key, reader):
            run.keep([key])
        elif group.is_untold:
            # What is remembered of a subject that is there no more has nobody else to ask.
            run.keep([group.key])
        return self._unchanged(key, run)

    def _unchanged(self, key: ViewKey, run: Run) -> Computed[Documents]:
        return Documents(dict.fromkeys(run.publisher.owned(key))).computed()


class _State:
    """What a running mediator knows of its subjects."""

    def __init__(self, subject: ViewSubject[Any], named: NamedSubjects | None, run: Run) -> None:
        self._subject = subject
        self._run = run
        codec = run.context.datastore.codec
        self._naming: CutMemo[Naming] | None = (
            None if named is None else CutMemo(lambda reader: named.found(reader, codec))
        )
        # Guards what has left, of which their roster does not know yet.
        self._lock = threading.Lock()
        self._left: set[ViewKey] = set()
        # Held by the views of the members and their roster.
        self._groups: WeakValueDictionary[str, Group] = WeakValueDictionary()

    def subjects(self, reader: CutReader) -> Entries:
        """The subjects in the cut of a reader."""
        naming = self._named(reader)
        tokens = {
            ViewKey(self._run.population.mediator, identity): tuple(
                (path, found.update_time_ns) for path, found in roots.items()
            )
            for identity, roots in naming.roots.items()
        }
        with self._lock:
            left, self._left = self._left, set()
        # What was not named for a while, which the roster may have missed.
        back = [key for key in left if key in tokens]
        return Entries(tokens, others=back, error=naming.error)

    def left(self, key: ViewKey) -> None:
        """Note that the view of a subject, or the roster of its members, has ended."""
        if self._naming is None:
            return
        with self._lock:
            self._left.add(key)
        self._run.keep([ViewKey(key.mediator, _POPULATION)])

    def roots_of(self, identity: str, reader: CutReader) -> Mapping[str, Snapshot] | None:
        """The documents of a subject's roots; ``None`` if it is not there any more."""
        if self._naming is not None:
            return self._named(reader).roots.get(identity)
        root = self._run.population.member(identity, reader.cut)
        return None if root is None else {root.path: root}

    def group(self, identity: str) -> Group:
        """The members of a subject."""
        group = self._groups.get(identity)
        if group is None:
            group = self._groups[identity] = Group(
                self._subject.view_cls,
                self._subject.values(identity, without_member=True),
                ViewKey(self._run.population.mediator, identity),
                lambda member: self._key_of(identity, member),
                lambda reader: self.roots_of(identity, reader),
                Precedence(self._run.keep),
            )
        return group

    def _named(self, reader: CutReader) -> Naming:
        assert self._naming is not None
        return self._naming.of(reader)

    def _key_of(self, identity: str, member: str) -> ViewKey:
        text = f"{identity}{SEPARATOR}{member}" if identity else member
        return ViewKey(self._run.population.mediator, text)
