"""The Document mediator: one document has its view, or a collection has patches of views.

Read: Document -> Document. Write: Document -> Document. At least once: the view of one document
is kept as those of a query's are; a patch is handled on its own change, and its effect and its
mark are one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.values import HasPath, Target, document_path
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.inbox.handling import Commands
from flask_boiler.view.inbox.inbox_mediator import InboxMediator, require_authorize
from flask_boiler.view.inbox.patches import (
    Authorize,
    Patch,
    PatchCollection,
    Patches,
    patch_commands,
)
from flask_boiler.view.mediation.inbox import CommandKind, Inbox
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.mediation.keeping.keeping import Run
from flask_boiler.view.mediation.keeping.named_subjects import NamedSubjects
from flask_boiler.view.mediation.populated_mediator import (
    Opened,
    PopulatedMediator,
    keeping_of,
    kept_in_documents,
)
from flask_boiler.viewmodels.mutation import Mutation, require_changes
from flask_boiler.viewmodels.view_model import (
    ViewModel,
    has_own_new,
    require_view_class,
    store_class,
)
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["DocumentMediator"]


class DocumentMediator(InboxMediator, PopulatedMediator):
    """Keeps the view of one document, or applies the patches that are proposed to views.

    Of one document, with a view, or with the handlers of a ``Protocol``::

        boiler.add(DocumentMediator(SettingsView, document="settings/public"))

    Of patches, each of which is a document::

        boiler.add(
            DocumentMediator(
                MeetingSession,
                mutation_cls=MeetingSessionMutation,
                patches="users/{uid}/MeetingSession_PATCH",
                authorize=lambda patch, view: patch.placeholders["uid"] in view.participants,
            )
        )

    A patch has the fields of the view that it changes, and ``target_<root>_id``, the id of the
    view's root. It is refused as a whole if a field is unknown, read-only or of a wrong type.
    What it changes and its mark (``result``, or ``error`` with problem details) are one commit,
    which goes through only if the patch is still as it was read: it has its effect once, whatever
    number of processes there are, and wherever they end. Patches of one target are applied in
    the order of their creation, as far as they arrive together.

    :param view_model_cls: the view; of patches, it may be left to the mutation to say.
    :param mutation_cls: applies the patches, by ``mutate_patch``.
    :param document: the path of a document, a reference to it, or a model that is stored there.
        A view without roots and parameters, of which there is one, has none.
    :param patches: the path of their collection, which may have placeholders, or
        :class:`Patches`, which say more.
    :param authorize: whether a patch may be applied to a view, both as of one time; what it reads
        is part of the transaction. Who is refused is told the same as if there were no such view.
        It may raise ``PermissionDeniedError`` with a reason instead, which tells that there is
        one. Without it, whoever may write into the collection may propose anything: so say who
        may, here or by Firestore's rules.
    :param name: what it is remembered by from one run to the next. Two mediators of one name
        cannot run together.
    :raises ConfigurationError: the parameters do not make a mediator.
    """

    Protocol: ClassVar[type[ProtocolBase] | None] = None

    def __init__(
        self,
        view_model_cls: type[ViewModel] | None = None,
        *,
        mutation_cls: type[Mutation[Any]] | None = None,
        document: str | HasPath | DomainModel | None = None,
        patches: str | Patches | None = None,
        authorize: Authorize | None = None,
        name: str | None = None,
    ) -> None:
        if view_model_cls is not None:
            require_view_class(view_model_cls)
        self.view_model_cls = view_model_cls
        self.mutation_cls = mutation_cls
        require_authorize(authorize, self, "patch", "view")
        self._authorize = authorize
        self._document: _Document | None = None
        self._patches: Commands | None = None
        if patches is None and (document is not None or _is_of_nothing(view_model_cls)):
            self._refuse(mutation_cls=mutation_cls, authorize=authorize)
            self._document = _Document(self, document)
            default_name = self._document.default_name
        elif patches is not None and document is None:
            subject = ViewSubject(_view_of_patches(self))
            subject.require_buildable()
            declared = Patches(patches) if isinstance(patches, str) else patches
            collection = PatchCollection(declared, subject)
            assert mutation_cls is not None
            self._patches = patch_commands(collection, subject, mutation_cls, self.authorize)
            self.view_model_cls, default_name = subject.view_cls, collection.name
        else:
            raise ConfigurationError(
                f"{type(self).__name__} needs document= or patches=, but not both"
            )
        super().__init__(name or default_name, self.view_model_cls)

    def authorize(self, patch: Patch, view: Any) -> bool:
        """Whether a patch may be applied; a subclass may say so here instead of by a parameter.

        :raises PermissionDeniedError: it may not, for the reason that the error tells; whoever is
            told one knows that there is such a view.
        """
        return True if self._authorize is None else self._authorize(patch, view)

    @property
    def command_kind(self) -> CommandKind | None:
        """Patches, or what handlers are called with; ``None`` if it keeps a view."""
        if self.mutation_cls is not None:
            return CommandKind.PATCH
        return None if self.Protocol is None else CommandKind.HANDLER

    @property
    def inbox(self) -> Inbox | None:
        """The patches; ``None`` if it keeps the view of a document, or calls handlers."""
        return None if self._patches is None else self

    @property
    def _commands(self) -> Commands:
        if self._patches is None:
            raise ConfigurationError(f"{self.name!r} has no patches that could be applied")
        return self._patches

    def _begin(self, ends: ExitStack) -> None:
        if self._document is None:
            super()._begin(ends)
        else:
            PopulatedMediator._begin(self, ends)

    def _is_view(self, subject: str) -> bool:
        return self._document is not None and self._document.knows(subject)

    def _targets(self, context: ApplicationContext) -> Sequence[Target]:
        return [] if self._document is None else self._document.targets(context)

    def _open(self, run: Run, engine: Engine) -> Opened:
        assert self._document is not None
        return self._document.open(run, engine)

    def _refuse(self, **given: object) -> None:
        useless = [name for name, value in given.items() if value is not None]
        if useless:
            raise ConfigurationError(
                f"{type(self).__name__} takes {' and '.join(useless)} only with patches="
            )


class _Document:
    """One document, whose view is kept or whose handlers are called."""

    def __init__(
        self, mediator: DocumentMediator, document: str | HasPath | DomainModel | None
    ) -> None:
        view_cls = mediator.view_model_cls
        self._paths = [] if document is None else [_path_of(document)]
        named = None
        if view_cls is not None:
            _require_of_document(view_cls, document)
            named = NamedSubjects(view_cls, None) if document is None else None
        self._keeping = keeping_of(mediator, view_cls, mediator.Protocol, named)
        keeps = view_cls or type(mediator)
        self.default_name = " of ".join([keeps.__name__, *self._paths])

    def knows(self, subject: str) -> bool:
        return self._keeping.knows(subject)

    def targets(self, context: ApplicationContext) -> Sequence[Target]:
        return self._paths

    def open(self, run: Run, engine: Engine) -> Opened:
        return kept_in_documents(self._keeping, run)


def _view_of_patches(mediator: DocumentMediator) -> type[ViewModel]:
    """The class of the views that patches change."""
    if mediator.Protocol is not None:
        raise ConfigurationError(
            f"{type(mediator).__name__} has a Protocol, which is only for document=: patches are "
            "applied by mutation_cls"
        )
    mutation_cls = mediator.mutation_cls
    if mutation_cls is None:
        raise ConfigurationError(
            f"{type(mediator).__name__} applies no patches without a mutation: give it "
            "mutation_cls, such as a subclass of Mutation[CityView]"
        )
    changed: type[ViewModel] | None = getattr(mutation_cls, "view_model_cls", None)
    view_cls = mediator.view_model_cls or changed
    if changed is None or view_cls is None:
        raise ConfigurationError(
            f"{mutation_cls.__name__} does not say which view it changes: set its view_model_cls"
        )
    require_changes(mutation_cls, view_cls)
    return view_cls


def _is_of_nothing(view_cls: type[ViewModel] | None) -> bool:
    """Whether there is one view of a class, which takes no document to say which."""
    if view_cls is None or has_own_new(view_cls):
        return False
    store_cls = store_class(view_cls)
    slots = store_cls.subject_slots()
    return bool(store_cls.declared_slots()) and all(slot is store_cls.each_slot() for slot in slots)


def _require_of_document(view_cls: type[ViewModel], document: object) -> None:
    """Check that a document says which view it is, besides its members.

    :raises ConfigurationError: it does not.
    """
    if has_own_new(view_cls):
        return
    store_cls = store_class(view_cls)
    parts = [s.name for s in store_cls.subject_slots() if s is not store_cls.each_slot()]
    if document is not None and not parts and store_cls.declared_slots():
        raise ConfigurationError(
            f"{view_cls.__name__} has no root, so document= has nothing to say: leave it out"
        )
    if len(parts) > 1 or (parts and parts != store_cls.roots()):
        raise ConfigurationError(
            f"{view_cls.__name__} is of {', '.join(parts)}, which one document does not say: use a "
            f"QueryMediator, with query={{{parts[0]!r}: …}}"
        )


def _path_of(document: str | HasPath | DomainModel) -> str:
    if isinstance(document, DomainModel):
        return document.doc_path
    try:
        return document_path(document)
    except ValueError as error:
        raise ConfigurationError(f"document={document!r:.80}: {error}") from error
