"""Writes: what is asked for, and doing it to the newest state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.unknown_fields import UnknownFieldSet

from flask_boiler.embedded.clock import microseconds, set_timestamp
from flask_boiler.embedded.document import StoredDocument, split_name
from flask_boiler.embedded.matching import NAME
from flask_boiler.embedded.names import check_document, check_field_path
from flask_boiler.embedded.refusal import Refusal, failed_precondition, invalid, not_found
from flask_boiler.embedded.storage import Staging
from flask_boiler.embedded.transforms import apply_transform, check_transforms
from flask_boiler.embedded.values import settle_fields
from flask_boiler.firestore import protocol
from flask_boiler.firestore.ordering import field_names

__all__ = ["Operation", "WriteResult", "apply_all", "operations"]

WriteResult: Any = protocol.WriteResult
#: The web SDK's "verify", which google-cloud-firestore's message lacks.
_VERIFY_FIELD = 5


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
        if self._transforms:
            check_transforms(self._transforms)
        self._condition: str | None = write.current_document.WhichOneof("condition_type")
        if self.kind == "verify" and self._condition is None:
            raise invalid("a verify must contain a precondition")

    @property
    def world(self) -> str:
        """The database that the document is in."""
        return split_name(self.name)[0]

    def apply(self, staging: Staging) -> Any:
        """Do it; the ``WriteResult``.

        :raises Refusal: a precondition does not hold.
        """
        before = staging.document(self.name)
        self._check_precondition(staging, before)
        result = WriteResult()
        if self.kind == "delete":
            staging.delete(self.name)
        elif self.kind == "verify":
            if before is not None:
                set_timestamp(result.update_time, before.updated)
        else:
            after = self._outcome(before)
            result.transform_results.extend(
                [apply_transform(after, transform, staging.time) for transform in self._transforms]
            )
            set_timestamp(result.update_time, staging.put(after).updated)
        return result

    def _check_update(self) -> None:
        settle_fields(self._write.update)
        for path in self._write.update_mask.field_paths:
            check_field_path(path)

    def _check_delete(self) -> None:
        if self._write.HasField("update_mask"):
            raise invalid("a delete must not specify a document mask.")
        if self._transforms:
            raise invalid("a delete must not specify a update transform.")

    def _check_precondition(self, staging: Staging, before: StoredDocument | None) -> None:
        if self._condition is None:
            return
        wanted = self._write.current_document
        if self._condition == "update_time":
            stored, required = (before.updated if before else 0), microseconds(wanted.update_time)
            if stored != required:
                raise failed_precondition(
                    f"the stored version ({stored}) of {self.name} does not match the required "
                    f"base version ({required})"
                )
        elif wanted.exists and before is None:
            if staging.was_deleted(self.name):
                raise invalid("Cannot delete then update an entity in the same request.")
            raise not_found(f"no entity to update: {self.name}")
        elif not wanted.exists and before is not None:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, f"entity already exists: {self.name}")

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
        given = given[step].map_value.fields if given is not None and step in given else None
        if given is None and (step not in kept or not kept[step].HasField("map_value")):
            return
        kept = kept[step].map_value.fields
    if given is not None and names[-1] in given:
        kept[names[-1]].CopyFrom(given[names[-1]])
    elif names[-1] in kept:
        del kept[names[-1]]


def operations(world: str, writes: Sequence[Any]) -> list[Operation]:
    """The writes of a request, checked.

    :raises Refusal: INVALID_ARGUMENT.
    """
    found = [Operation(write) for write in writes]
    for operation in found:
        if operation.world != world:
            raise invalid(f'Document name "{operation.name}" is not in the database "{world}".')
    return found


def apply_all(found: Sequence[Operation], staging: Staging) -> list[Any]:
    """Do all of them, in order; their ``WriteResult``."""
    if len(found) > 1:
        staging.prefetch([operation.name for operation in found])
    results = [operation.apply(staging) for operation in found]
    for operation, result in zip(found, results, strict=True):
        # A document that was deleted on the way tells when it was written in the end.
        if operation.kind == "delete" and (last := staging.document(operation.name)) is not None:
            set_timestamp(result.update_time, last.updated)
    return results
