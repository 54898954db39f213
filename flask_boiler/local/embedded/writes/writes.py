"""Writes: what is asked for, and doing it to the newest state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import grpc
from google.protobuf.unknown_fields import UnknownFieldSet

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.matching import NAME, inner_fields, opened_fields
from flask_boiler.local.embedded.storage.clock import microseconds, set_timestamp
from flask_boiler.local.embedded.storage.document import StoredDocument, split_name
from flask_boiler.local.embedded.storage.name_rules import check_document, check_field_path
from flask_boiler.local.embedded.storage.refusal import (
    Refusal,
    failed_precondition,
    invalid,
    not_found,
)
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.value_rules import settle_fields
from flask_boiler.local.embedded.writes.transforms import apply_transform, check_transforms

__all__ = ["Operation", "WriteResult", "apply_all", "operations"]

WriteResult: Any = protocol.WriteResult
#: The web SDK's "verify", which google-cloud-firestore's message lacks.
_VERIFY_FIELD = 5
_DEEPEST_PATH = 20


class Operation:
    """One ``google.firestore.v1.Write`` that makes sense; the message is taken over.

    :raises Refusal: INVALID_ARGUMENT: it can never succeed.
    """

    def __init__(self, write: Any) -> None:
        self._write = write
        self._transforms: Sequence[Any] = write.update_transforms
        self.kind: str = write.WhichOneof("operation") or "verify"
        match self.kind:
            case "update":
                self.name = str(write.update.name)
                self._check_update()
            case "delete":
                self.name = str(write.delete)
                self._check_delete()
            case "transform":
                self.name = str(write.transform.document)
                self._transforms = write.transform.field_transforms
                if not self._transforms:
                    raise invalid("The list of FieldTransform must not be empty.")
            case _:
                self.name = _verified_name(write)
        check_document(self.name)
        #: The database that the document is in.
        self.world = split_name(self.name)[0]
        if self._transforms:
            check_transforms(self._transforms)
        self._condition: str | None = write.current_document.WhichOneof("condition_type")
        if self.required_time is not None and self.required_time < 0:
            raise invalid("Only timestamps past epoch are supported.")
        if self.kind == "verify" and self._condition is None:
            raise invalid("a verify must contain a precondition")

    @property
    def is_delete(self) -> bool:
        """Whether the document is gone afterwards."""
        return self.kind == "delete"

    @property
    def required_exists(self) -> bool | None:
        """Whether the document must exist, or must not; ``None``: that is not asked."""
        return self._write.current_document.exists if self._condition == "exists" else None

    @property
    def required_time(self) -> int | None:
        """The update time that the document must have, if any."""
        if self._condition != "update_time":
            return None
        return microseconds(self._write.current_document.update_time)

    def apply(self, staging: Staging, *, is_first: bool = True) -> Any:
        """Do it; the ``WriteResult``.

        :param is_first: whether no other of the commit has written the document; the
            precondition is about what was there before all of them.
        :raises Refusal: a precondition does not hold.
        """
        before = staging.document(self.name)
        if is_first:
            self._check_precondition(before)
        result = WriteResult()
        if self.is_delete:
            staging.delete(self.name)
        elif self.kind == "verify":
            if before is not None:
                set_timestamp(result.update_time, before.updated)
        else:
            after = self._outcome(before)
            for transform in self._transforms:
                value = apply_transform(after, transform, staging.time)
                result.transform_results.append(value)
            set_timestamp(result.update_time, staging.put(after).updated)
        return result

    def _check_update(self) -> None:
        settle_fields(self._write.update)
        for path in self._write.update_mask.field_paths:
            check_field_path(path)
            if len(field_names(path)) > _DEEPEST_PATH:
                raise invalid(f"paths must have at most {_DEEPEST_PATH} elements")

    def _check_delete(self) -> None:
        if self._write.HasField("update_mask"):
            raise invalid("a delete must not specify a document mask.")
        if self._transforms:
            raise invalid("a delete must not specify a update transform.")

    def _check_precondition(self, before: StoredDocument | None) -> None:
        if self.required_time is not None:
            stored = before.updated if before else 0
            if before is not None and stored < self.required_time:
                raise invalid(
                    f"Invalid base version, it is greater than the stored version: {self.name}"
                )
            if stored != self.required_time:
                raise failed_precondition(
                    f"the stored version ({stored}) of {self.name} does not match the required "
                    f"base version ({self.required_time})"
                )
        elif self.required_exists is True and before is None:
            raise not_found(f"No document to update: {self.name}")
        elif self.required_exists is False and before is not None:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Document already exists: {self.name}")

    def _outcome(self, before: StoredDocument | None) -> Any:
        """The document after the write, still without its transforms."""
        write = self._write
        if self.kind == "update" and not write.HasField("update_mask"):
            return write.update
        after = protocol.Document(name=self.name)
        if before is not None:
            after.fields.MergeFrom(before.message.fields)
        for path in write.update_mask.field_paths if self.kind == "update" else ():
            if path != NAME:
                _copy_field(write.update, after, field_names(path))
        return after


def _verified_name(write: Any) -> str:
    unknown: Any = UnknownFieldSet(write)
    for field in unknown:
        if field.field_number == _VERIFY_FIELD and isinstance(field.data, bytes):
            return field.data.decode()
    raise invalid("empty write operation")


def _copy_field(source: Any, destination: Any, names: tuple[str, ...]) -> None:
    """Make a field what it is in the source: also gone."""
    given, kept = source.fields, destination.fields
    for step in names[:-1]:
        given = inner_fields(given[step]) if given is not None and step in given else None
        if given is None and (step not in kept or inner_fields(kept[step]) is None):
            return
        kept = opened_fields(kept[step])
    if given is not None and names[-1] in given:
        kept[names[-1]].CopyFrom(given[names[-1]])
    elif names[-1] in kept:
        del kept[names[-1]]


def operations(world: str, writes: Sequence[Any]) -> list[Operation]:
    """The writes of a request, checked.

    :raises Refusal: INVALID_ARGUMENT.
    """
    found = [Operation(write) for write in writes]
    by_name: dict[str, list[Operation]] = {}
    for operation in found:
        if operation.world != world:
            raise invalid(f'Document name "{operation.name}" is not in the database "{world}".')
        by_name.setdefault(operation.name, []).append(operation)
    if len(by_name) < len(found):
        for several in by_name.values():
            _check_sequence(several)
    return found


def _check_sequence(several: Sequence[Operation]) -> None:
    """Whether these can be done to one document in one commit, whatever is there.

    What later ones demand must follow from what the earlier ones leave.
    """
    version = several[0].required_time
    for earlier, later in pairwise(several):
        asked = later.required_time
        if "verify" in (earlier.kind, later.kind):
            raise invalid(f"Cannot verify and write an entity in the same request: {later.name}")
        if earlier.is_delete and (
            later.required_exists is True or (asked is not None and not later.is_delete)
        ):
            kind = "delete" if later.is_delete else "update"
            raise invalid(f"Cannot delete then {kind} an entity in the same request: {later.name}")
        if not earlier.is_delete and later.required_exists is False:
            kind = "delete" if later.is_delete else "insert"
            raise invalid(f"Cannot write then {kind} an entity in the same request: {later.name}")
        if asked is not None and asked != version:
            raise invalid(
                f"Cannot collapse mutations with different version preconditions: {later.name}"
            )


def apply_all(found: Sequence[Operation], staging: Staging) -> list[Any]:
    """Do all of them, in order; their ``WriteResult``."""
    if len(found) == 1:
        return [found[0].apply(staging)]
    staging.prefetch([operation.name for operation in found])
    seen: set[str] = set()
    results = []
    for operation in found:
        results.append(operation.apply(staging, is_first=operation.name not in seen))
        seen.add(operation.name)
    for operation, result in zip(found, results, strict=True):
        # A document that was deleted on the way tells when it was written in the end.
        if operation.is_delete and (last := staging.document(operation.name)) is not None:
            set_timestamp(result.update_time, last.updated)
    return results
