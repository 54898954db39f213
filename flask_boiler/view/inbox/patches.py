"""Patches: documents in which a front end proposes to change a view."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_boiler.attrs.attribute import MISSING
from flask_boiler.errors import ConfigurationError, ValidationError
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.field_path import field_path
from flask_boiler.firestore.protocol import field_value
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.values import FieldFilter, QueryTarget, Snapshot, Write
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.handling import Commands
from flask_boiler.view.inbox.marks import require_keeping
from flask_boiler.view.inbox.queue import (
    TaskKey,
    TaskQueue,
    field_key,
    found_below,
    placeholder_key,
)
from flask_boiler.view.inbox.records import TaskRecords
from flask_boiler.view.inbox.refusals import AskedAccess, Refusal, Sender
from flask_boiler.view.mediation.access import Change
from flask_boiler.view.mediation.commands import MutationCommand, perform
from flask_boiler.view.mediation.problems import field_names
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["Authorize", "Patch", "PatchCollection", "PatchQueue", "Patches", "patch_commands"]

#: The fields of a patch's document that say what became of it.
RESULT = "result"
ERROR = "error"
#: When the document may be deleted, for a TTL policy.
EXPIRY = "expiresAt"

_NOT_FOUND = "There is no such document, or this patch of it is not allowed."


@dataclass(frozen=True, slots=True)
class Patches:
    """The collection in which a front end writes patches, and how these are marked.

    ::

        Patches("users/{uid}/MeetingSession_PATCH", keep_for=timedelta(days=1))

    :param collection: the path of the collection. With placeholders, the collections of that
        name at all such places, listened to as a collection group.
    :param target: the placeholder or the field that has the id of the view's root; by default
        ``target_<root>_id``, as in ``target_meeting_id``.
    :param mark: ``"update"`` leaves the document of a patch that was applied, with a ``result``;
        ``"delete"`` deletes it. One that was refused gets an ``error`` in either case.
    :param pending: a field that the front end sets to true in what it proposes, and the mark
        removes: then only documents that have it are listened to. Otherwise all of the
        collection's are, also those that were marked long ago.
    :param keep_for: give marked documents a timestamp ``expiresAt``, for a TTL policy.
    """

    collection: str
    target: str | None = None
    mark: Literal["update", "delete"] = "update"
    pending: str | None = None
    keep_for: datetime.timedelta | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that fits its view: what ``authorize`` decides about.

    :param path: of its document.
    :param placeholders: what those of the collection's path stand for, such as ``uid``.
    :param target_id: the id of the view's root.
    :param data: the values by attribute name, as the setters will get them.
    :param create_time: when its document was created, by the server's clock.
    """

    path: str
    placeholders: Mapping[str, str]
    target_id: str
    data: Mapping[str, Any]
    create_time: datetime.datetime


#: Whether a patch may be applied to the view that it is for.
Authorize = Callable[[Patch, Any], bool]


class PatchCollection:
    """The documents of some :class:`Patches`: a query for them, and the mark that they get.

    :raises ConfigurationError: they do not fit the view.
    """

    in_record = False

    def __init__(self, patches: Patches, subject: ViewSubject[Any]) -> None:
        self._patches = patches
        self._pattern = PathPattern(patches.collection)
        if self._pattern.names_document or self.name.startswith("{"):
            raise ConfigurationError(
                f"patches={patches.collection!r} names no collection: expected a path such as "
                "users/{uid}/CityView_PATCH, whose last segment is no placeholder"
            )
        if patches.mark not in ("update", "delete"):
            raise ConfigurationError(
                f"mark={patches.mark!r} is not a mark of patches: expected 'update' or 'delete'"
            )
        if patches.keep_for is not None:
            require_keeping(patches.keep_for)
        subject.require_document(f"patches={patches.collection!r}")
        self._subject = subject
        #: The placeholder or field that has the id of the view's root.
        self.target = patches.target or f"target_{subject.name}_id"
        self._refuse_clashes(subject.view_cls)

    @property
    def name(self) -> str:
        """The name of the collection: the last segment of its path."""
        return self._patches.collection.rpartition("/")[2]

    @property
    def key(self) -> TaskKey:
        """The key of patches: their target."""
        if self.target in self._pattern.names:
            return placeholder_key(self._pattern, self.target)
        return field_key(field_path(self.target))

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """The query that finds the patches."""
        pending = self._patches.pending
        where = None if pending is None else FieldFilter(field_path(pending), "==", True)
        return [found_below(self._pattern, codec, where)]

    def placeholders_of(self, path: str) -> dict[str, str] | None:
        """What the placeholders stand for in the path of a document; ``None`` if it is no patch."""
        return self._pattern.match(path.rpartition("/")[0])

    def proposed(self, patch: Snapshot) -> tuple[Any, dict[str, Any]]:
        """What should be the id of the view's root, and the proposed values by field name."""
        # Not `fields`, which the snapshot would keep as long as it is listened to.
        fields = patch.to_dict()
        fields.pop(self._patches.pending or "", None)
        placeholders = self.placeholders_of(patch.path) or {}
        if self.target in placeholders:
            return placeholders[self.target], fields
        return fields.pop(self.target, None), fields

    def target_id(self, given: Any) -> str:
        """The id of the root of the view that is to be changed.

        :raises ValidationError: it is missing, or none.
        """
        if given is None:
            raise ValidationError({self.target: [MISSING]})
        try:
            self._subject.path_of(given)
        except ValidationError as error:
            said = [message for messages in error.messages.values() for message in messages]
            raise ValidationError({self.target: said}) from error
        return str(given)

    # As a mark.

    def is_marked(self, task: Snapshot, record: Snapshot | None) -> bool:
        """Whether a document proposes nothing: it is marked, not pending, or no patch at all."""
        if not task.exists or self.placeholders_of(task.path) is None:
            return True
        pending = self._patches.pending
        if pending is not None:
            value = field_value(task.raw, field_path(pending))
            if value is None or value.boolean_value is not True:
                return True
        return RESULT in task.raw.fields or ERROR in task.raw.fields

    def write(self, task: Snapshot, records: TaskRecords, refusal: Refusal | None) -> Write:
        """The mark that a patch is applied, or refused for the reason that its sender is told."""
        if refusal is None and self._patches.mark == "delete":
            return Write("delete", task.path)
        fields: dict[str, Any] = {RESULT: {"status": "applied", "time": task.read_time}}
        if refusal is not None:
            fields = {ERROR: dict(refusal.problem)}
        if self._patches.keep_for is not None:
            fields[EXPIRY] = task.read_time + self._patches.keep_for
        if refusal is not None and refusal.bare:
            return Write("set", task.path, fields)
        names = [*fields, *filter(None, [self._patches.pending])]
        return Write("update", task.path, fields, tuple(field_path(name) for name in names))

    def _refuse_clashes(self, view_cls: type[ViewModel]) -> None:
        reserved = {RESULT, ERROR, EXPIRY, self.target, self._patches.pending}
        for name, attribute in view_cls.attributes().items():
            if attribute.data_key in reserved and not attribute.read_only:
                raise ConfigurationError(
                    f"{view_cls.__name__}.{name} is stored as {attribute.data_key!r}, which has "
                    "another meaning in a patch: give it another data_key"
                )


class PatchQueue(TaskQueue):
    """The patches of a collection that are not marked, each target's in their order.

    It is listened to as a whole, as no query finds what has no mark. A patch that is parked holds
    back nothing: others may have sent the later ones.
    """

    def __init__(self, collection: PatchCollection, codec: Codec) -> None:
        super().__init__(collection, collection.key, codec, holds_back=False)
        self._collection = collection

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be a patch."""
        return self._collection.placeholders_of(path) is not None

    def find(self, path: str, reader: Reader) -> Snapshot | None:
        """The patch at a path; ``None`` if there is none, or it is marked."""
        patch = reader.documents([path])[path]
        return None if self._collection.is_marked(patch, None) else patch


class PatchEffect:
    """The effect of patches: a mutation of the view that each is for.

    :param authorize: is asked with the patch and the view as it is before.
    """

    def __init__(
        self,
        collection: PatchCollection,
        subject: ViewSubject[Any],
        mutation_cls: type[Mutation[Any]],
        authorize: Authorize,
    ) -> None:
        self._collection = collection
        self._subject = subject
        self._mutation_cls = mutation_cls
        self._authorize = authorize

    def __call__(self, task: Snapshot, transaction: Transaction) -> None:
        """Change the view as the patch proposes, if it may."""
        given, fields = self._collection.proposed(task)
        target_id = self._collection.target_id(given)
        understood = self._subject.view_cls.understood
        command = MutationCommand(
            self._subject, self._mutation_cls, "patch", target_id, lambda: understood(fields)
        )

        def ask(change: Change) -> object:
            patch = Patch(
                path=task.path,
                placeholders=self._collection.placeholders_of(task.path) or {},
                target_id=target_id,
                # Before anything is read of the target: what is said here says nothing of that.
                data=change.data,
                create_time=task.create_time,
            )
            return self._authorize(patch, self._subject.open(target_id))

        perform(command, AskedAccess(ask, self._subject.path_of(target_id), _NOT_FOUND))


def patch_commands(
    collection: PatchCollection,
    subject: ViewSubject[Any],
    mutation_cls: type[Mutation[Any]],
    authorize: Authorize,
) -> Commands:
    """The commands that the patches of a collection are."""
    return Commands(
        lambda codec: PatchQueue(collection, codec),
        PatchEffect(collection, subject, mutation_cls, authorize),
        collection,
        # The mark itself tells; there may be no room for it beside what was proposed.
        Sender(field_names(subject.view_cls), lambda *told: None, late=[False, True]),
        max_attempts=mutation_cls.max_attempts,
    )
