"""A datastore in memory, for what models do with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.protocol import field_names
from flask_boiler.ground.errors import ConflictError, DocumentNotFoundError
from flask_boiler.ground.values import CommitResult, Precondition, Snapshot, Write

DATABASE = "projects/memory/databases/(default)"


class MemoryDatastore:
    """Documents by path; every commit is one tick of the clock."""

    database = DATABASE

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.documents: dict[str, tuple[dict[str, Any], int]] = {}
        self.commits: list[list[Write]] = []
        self.reads: list[str] = []
        #: The documents of each request.
        self.requests: list[list[str]] = []
        self._now = 1_000

    @property
    def writes(self) -> list[Write]:
        return [write for commit in self.commits for write in commit]

    def put(self, path: str, **fields: Any) -> None:
        """What somebody else writes."""
        self._now += 1
        self.documents[path] = (fields, self._now)

    def fields(self, path: str) -> dict[str, Any]:
        return self.documents[path][0]

    def get(self, paths: Iterable[str], **options: Any) -> dict[str, Snapshot]:
        wanted = list(paths)
        self.reads.extend(wanted)
        self.requests.append(wanted)
        return {path: self.snapshot(path) for path in wanted}

    def snapshot(self, path: str) -> Snapshot:
        if path not in self.documents:
            return self.codec.missing(path)
        fields, time_ns = self.documents[path]
        raw = self.codec.encode(fields, where=path)
        return Snapshot(path, raw, self.codec, create_time_ns=time_ns, update_time_ns=time_ns)

    def run_query(self, *args: Any, **options: Any) -> Iterator[Snapshot]:
        raise NotImplementedError

    def aggregate(self, *args: Any, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def refresh_credentials(self) -> None:
        """There are none."""

    def begin(self, **options: Any) -> bytes:
        return b"token"

    def rollback(self, transaction: bytes) -> None:
        pass

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        for write in writes:
            self._check(write.path, write.precondition)
        self._now += 1
        for write in writes:
            self._apply(write)
        self.commits.append(list(writes))
        return CommitResult(self._now, (self._now,) * len(writes))

    def _check(self, path: str, required: Precondition | None) -> None:
        if required is None:
            return
        found = self.documents.get(path)
        if required.exists and found is None:
            raise DocumentNotFoundError(path)
        if required.exists is False and found is not None:
            raise ConflictError(f"{path} is there already", path=path)
        stale = found is None or found[1] != required.update_time_ns
        if required.update_time_ns is not None and stale:
            raise ConflictError(f"{path} was changed by somebody else", path=path)

    def _apply(self, write: Write) -> None:
        if write.kind == "delete":
            self.documents.pop(write.path, None)
        elif write.kind in ("set", "update"):
            before = self.documents.get(write.path, ({}, 0))[0] if write.kind == "update" else {}
            self.documents[write.path] = (self._after(before, write), self._now)

    def _after(self, before: Mapping[str, Any], write: Write) -> dict[str, Any]:
        after = dict(before)
        names = [field_names(path)[0] for path in write.mask] or list(write.fields)
        for name in names:
            value = write.fields.get(name)
            if isinstance(value, firestore.Increment):
                after[name] = after.get(name, 0) + value.value
            elif name in write.fields:
                after[name] = value
            else:
                after.pop(name, None)
        # What cannot be encoded, Firestore cannot store.
        self.codec.encode(after, where=write.path)
        return after


class MemoryContext(ApplicationContext):
    """A context whose database is in memory."""

    def __init__(self) -> None:
        super().__init__(Config(testing=True, project="memory"))
        self.client = firestore.Client(project="memory", credentials=AnonymousCredentials())
        self.memory = MemoryDatastore(Codec(self.client, DATABASE))

    @property
    def db(self) -> Any:
        return self.client

    @property
    def datastore(self) -> Any:
        return self.memory

    @property
    def decoder(self) -> Codec:
        return self.memory.codec
