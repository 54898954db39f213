"""Patches: documents in which a front end proposes to change a view."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_boiler.attrs.attribute import MISSING
from flask_boiler.errors import ConfigurationError, ValidationError
from flask_boiler.firestore.field_path import field_path
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.ports import DocumentCodec
from flask_boiler.ground.values import FieldFilter, QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["ERROR", "EXPIRY", "RESULT", "Patch", "PatchCollection", "Patches", "Proposal"]

#: The fields of a patch's document that say what became of it.
RESULT = "result"
ERROR = "error"
#: When the document may be deleted, for a TTL policy.
EXPIRY = "expiresAt"

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


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


@dataclass(frozen=True, slots=True)
class Proposal:
    """A patch that nobody has looked into yet: where it lies, what it is for, and its fields.

    :param target: what should be the id of the view's root; ``None`` if it is missing.
    :param fields: the values by field name.
    """

    snapshot: Snapshot
    placeholders: Mapping[str, str]
    target: Any
    fields: Mapping[str, Any]

    @property
    def lane(self) -> str:
        """The name of the lane that it is applied in: the id of its target, or its own path."""
        # A path has a slash, and an id none.
        return self.target if isinstance(self.target, str) else self.snapshot.path


class PatchCollection:
    """Reads and marks the documents of some :class:`Patches`.

    :raises ConfigurationError: they do not fit the view.
    """

    def __init__(self, patches: Patches, root: ViewSubject[Any]) -> None:
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
        if patches.keep_for is not None and patches.keep_for <= datetime.timedelta(0):
            raise ConfigurationError(f"keep_for={patches.keep_for} keeps nothing")
        self._root = root
        #: The placeholder or field that has the id of the view's root.
        self.target = patches.target or f"target_{root.name}_id"
        self._refuse_clashes(root.view_cls)

    @property
    def name(self) -> str:
        """The name of the collection: the last segment of its path."""
        return self._patches.collection.rpartition("/")[2]

    def query(self, codec: DocumentCodec) -> QueryTarget:
        """The query that finds the patches."""
        pending = self._patches.pending
        return compile_query(
            QuerySpec(
                self.name,
                parent="" if self._pattern.names else self._patches.collection.rpartition("/")[0],
                all_descendants=bool(self._pattern.names),
                where=None if pending is None else FieldFilter(field_path(pending), "==", True),
            ),
            codec,
        )

    def proposal(self, snapshot: Snapshot) -> Proposal | None:
        """The proposal that a document is; ``None`` if it is missing, marked or elsewhere."""
        placeholders = self._pattern.match(snapshot.path.rpartition("/")[0])
        if placeholders is None:
            return None
        # Not `fields`, which the snapshot would keep as long as it is listened to.
        fields = snapshot.to_dict()
        pending = self._patches.pending
        if not snapshot.exists or RESULT in fields or ERROR in fields:
            return None
        if pending is not None and fields.pop(pending, None) is not True:
            return None
        if self.target in placeholders:
            return Proposal(snapshot, placeholders, placeholders[self.target], fields)
        return Proposal(snapshot, placeholders, fields.pop(self.target, None), fields)

    def target_id(self, proposal: Proposal) -> str:
        """The id of the root of the view that is to be changed.

        :raises ValidationError: it is missing, or none.
        """
        given = proposal.target
        if given is None:
            raise ValidationError({self.target: [MISSING]})
        try:
            self._root.path_of(given)
        except ValidationError as error:
            said = [message for messages in error.messages.values() for message in messages]
            raise ValidationError({self.target: said}) from error
        return str(given)

    def approval(self, snapshot: Snapshot) -> Write:
        """The write that marks a patch as applied."""
        if self._patches.mark == "delete":
            return Write("delete", snapshot.path)
        return self._mark(snapshot, {RESULT: {"status": "applied", "time": _time(snapshot)}})

    def refusal(self, snapshot: Snapshot, problem: Mapping[str, Any]) -> Write:
        """The write that marks a patch as refused, for the reason that ``problem`` details."""
        return self._mark(snapshot, {ERROR: dict(problem)})

    def bare(self, refusal: Write) -> Write:
        """The refusal as the only content of the document, if there is no room beside the patch."""
        return Write("set", refusal.path, refusal.fields)

    def _mark(self, snapshot: Snapshot, fields: dict[str, Any]) -> Write:
        if self._patches.keep_for is not None:
            fields[EXPIRY] = _time(snapshot) + self._patches.keep_for
        names = [*fields, *filter(None, [self._patches.pending])]
        return Write("update", snapshot.path, fields, tuple(field_path(name) for name in names))

    def _refuse_clashes(self, view_cls: type[ViewModel]) -> None:
        reserved = {RESULT, ERROR, EXPIRY, self.target, self._patches.pending}
        for name, attribute in view_cls.attributes().items():
            if attribute.data_key in reserved and not attribute.read_only:
                raise ConfigurationError(
                    f"{view_cls.__name__}.{name} is stored as {attribute.data_key!r}, which has "
                    "another meaning in a patch: give it another data_key"
                )


def _time(snapshot: Snapshot) -> datetime.datetime:
    """The time at which a document was read, by the server's clock."""
    return _EPOCH + datetime.timedelta(microseconds=snapshot.read_time_ns // 1000)
