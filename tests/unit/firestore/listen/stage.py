"""What the specs play on: targets, a clock, a stream that is only recorded, a receiver."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.firestore.listen.stream import Outbox, Stream, StreamListener, StreamPolicy
from flask_boiler.firestore.listen.watch import Watch
from flask_boiler.firestore.listen.watch_events import Event, Raised
from flask_boiler.firestore.patience import current_patience
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import QueryTarget, Snapshot, Target
from tests.scripted_firestore.messages import DATABASE, changed, current, document, marker

PATIENCE_S = 60.0


class PlainDecoder:
    """Decodes integers, which is all that the specs store."""

    def decode(self, raw: Any) -> dict[str, Any]:
        return {name: value.integer_value for name, value in raw.fields.items()}

    def reference(self, path: str) -> Any:
        return path


DECODER = PlainDecoder()


def collection(collection_id: str, *, order_by: str | None = None) -> QueryTarget:
    """A query for a whole collection."""
    query = protocol.StructuredQuery()
    query.from_.add(collection_id=collection_id)
    if order_by is not None:
        query.order_by.add(direction=protocol.StructuredQuery.ASCENDING).field.field_path = order_by
    return QueryTarget("", query.SerializeToString(), text=f"all of {collection_id}")


class WatchSpec:
    """A watch, and what came out of it."""

    def __init__(self) -> None:
        self.watch = Watch(DATABASE, DECODER)

    def listen(self, target: Target) -> int:
        """Listen to a target; its id."""
        return int(self.watch.listen(target).add_target.target_id)

    def restart(self) -> dict[Target, Any]:
        """Begin a new stream; the additions that open it, by target."""
        requests = self.watch.restart()
        return {_target_of(request.add_target): request.add_target for request in requests}

    def say(self, *responses: Any) -> list[Event]:
        """Let the server say this; all that it comes to."""
        return [event for response in responses for event in self.watch.receive(response)]

    def raised(self, *responses: Any) -> Raised:
        """Let the server say this, which must raise exactly once and do nothing else."""
        (event,) = self.say(*responses)
        assert isinstance(event, Raised), event
        return event


def _target_of(addition: Any) -> Target:
    if addition.WhichOneof("target_type") == "documents":
        (name,) = addition.documents.documents
        return str(name).split("/documents/", 1)[1]
    query = addition.query
    parent = str(query.parent).removeprefix(f"{DATABASE}/documents").lstrip("/")
    return QueryTarget(parent, query.structured_query.SerializeToString())


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Sent(Outbox):
    """An outbox that a spec reads."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = threading.Condition()
        self._requests: list[Any] = []

    def put(self, requests: Iterable[Any]) -> None:
        with self._condition:
            self._requests.extend(requests)
            self._condition.notify_all()

    def take(self, count: int) -> list[Any]:
        """The next requests, of which there must be exactly so many."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self._requests) >= count, PATIENCE_S)
            taken, self._requests = self._requests, []
        assert len(taken) == count, taken
        return taken

    def take_all(self) -> list[Any]:
        """The next requests, however many there are."""
        with self._condition:
            taken, self._requests = self._requests, []
        return taken

    def additions(self, count: int) -> list[Any]:
        return [request.add_target for request in self.take(count)]


class RecordedStream(Stream):
    """Opens when the spec says so, and is never connected to anything."""

    def __init__(
        self, connection: Any, listener: StreamListener, policy: StreamPolicy, **_: Any
    ) -> None:
        self.listener = listener
        self._wanted = False
        self.checked: list[float] = []

    def open(self) -> Sent:
        sent = Sent()
        self.listener.opening(sent)
        return sent

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def demand(self, demanded: bool) -> None:
        self._wanted = demanded

    def is_demanded(self) -> bool:
        return self._wanted

    def check(self, now: float) -> float:
        self.checked.append(now)
        return float("inf")


class StillTimekeeper:
    """Never calls: the spec says when time passes, on its own thread."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wake_by(self, at: float) -> None: ...


class StoredDocuments:
    """A connection without a server; what it reads can be set."""

    database = DATABASE
    decoder = DECODER

    def __init__(self) -> None:
        self.update_times_ns: dict[str, int] = {}
        self.gets: list[list[str]] = []
        self.queries: list[Any] = []
        self.patience_s: list[float] = []
        self.failures: list[Exception] = []

    def listen(self, requests: Iterator[Any]) -> Any:
        raise NotImplementedError

    def is_faultless(self, call: Any) -> bool:
        raise NotImplementedError

    def refresh_credentials(self) -> None:
        raise NotImplementedError

    def get(self, paths: Iterable[str], *, mask: tuple[str, ...]) -> dict[str, Snapshot]:
        wanted = list(paths)
        self.gets.append(wanted)
        current_patience().ask(self.patience_s.append)
        if self.failures:
            raise self.failures.pop()
        return {path: self._snapshot(path) for path in wanted}

    def run_query(self, target: QueryTarget) -> Iterator[Snapshot]:
        """All that is stored, in the order of the names, from a cursor on, up to a limit."""
        current_patience().ask(self.patience_s.append)
        query = protocol.StructuredQuery.FromString(target.structured)
        self.queries.append(query)
        if self.failures:
            raise self.failures.pop()
        paths = sorted(self.update_times_ns)
        if query.HasField("start_at"):
            last = query.start_at.values[0].reference_value
            paths = [path for path in paths if _name(path) > last]
        return iter([self._snapshot(path) for path in paths[: query.limit.value]])

    def _snapshot(self, path: str) -> Snapshot:
        time_ns = self.update_times_ns.get(path)
        if time_ns is None:
            return Snapshot(path, None, DECODER)
        raw = protocol.Document(name=_name(path))
        return Snapshot(path, raw, DECODER, update_time_ns=time_ns)


def _name(path: str) -> str:
    return f"{DATABASE}/documents/{path}"


class HubSpec:
    """A hub on a recorded stream; started, and the stream open, unless that is to come."""

    def __init__(self, *, verify_targets: bool = False, started: bool = True) -> None:
        self.clock = Clock()
        self.connection = StoredDocuments()
        self.hub = Hub(
            self.connection,
            verify_targets=verify_targets,
            clock=self.clock,
            rng=lambda: 0.5,
            stream_factory=RecordedStream,
        )
        stream = self.hub._stream
        assert isinstance(stream, RecordedStream)
        self.stream = stream
        timekeeper: Any = StillTimekeeper()
        self.hub._timekeeper = timekeeper
        if started:
            self.start()

    def start(self) -> None:
        self.hub.start()
        self.sent = self.stream.open()

    def say(self, *responses: Any) -> None:
        for response in responses:
            self.hub.received(response)

    def listen(self, *targets: Target) -> list[int]:
        """Listen to targets; their ids."""
        self.hub.listen(targets)
        return [addition.target_id for addition in self.sent.additions(len(targets))]

    def hold(self, path: str, update_time_ns: int, read_time_ns: int) -> int:
        """Have a document held; the id of its target."""
        (target_id,) = self.listen(path)
        self.say(
            changed(document(path, update_time_ns), target_id),
            current(target_id),
            marker(read_time_ns),
        )
        return target_id

    def is_doubtful(self) -> bool:
        return self.hub.doubtful

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.hub.tick()


class Receiver:
    """Takes changes one by one, when the spec lets it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes: list[CutChange] = []
        self._taken = 0
        self._open = True

    def __call__(self, change: CutChange) -> None:
        with self._condition:
            self._changes.append(change)
            self._condition.notify_all()
            assert self._condition.wait_for(lambda: self._open, PATIENCE_S)

    def next(self) -> CutChange:
        """The next change, which must come soon."""
        with self._condition:
            came = self._condition.wait_for(lambda: len(self._changes) > self._taken, PATIENCE_S)
            assert came, "nothing was delivered"
            self._taken += 1
            return self._changes[self._taken - 1]

    def block(self) -> None:
        """Do not return from the next call until released."""
        with self._condition:
            self._open = False

    def unblock(self) -> None:
        with self._condition:
            self._open = True
            self._condition.notify_all()

    @property
    def changes(self) -> Sequence[CutChange]:
        return self._changes
