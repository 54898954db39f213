"""The meaning of the messages of a Listen stream, as a pure state machine.

Messages go in; what they come to goes out: changes that are consistent at one read time,
targets that the server refused, targets to listen to anew. No I/O, no threads, no clock.

Each target is in one of these states::

                  listen                CURRENT               marker
    (unknown) ───────────► CATCHING UP ─────────► CURRENT ─────────────► HELD
                            ▲   ▲    │              │  ▲                   │
              restart,      │   │    │ REMOVE with  │  │ CURRENT           │
              listen again  │   └────┼──────────────┘  └──── CATCHING UP ◄─┘
                            │        ▼  RESET                   RESET, restart,
                            └── REFUSED ◄──────────────── filter mismatch
                                     cause

What a message does:

=====================  ========================================================================
ADD                    the server knows the target; nothing to do
document_change        the document is now (in ``target_ids``) or is no more (in
                       ``removed_target_ids``) part of the target
document_delete        the document is gone
document_remove        the document left the target; what became of it is not known
RESET                  forget what was not raised: every document is presumed gone until it
                       comes again; if it comes with the same update time, nothing happened
CURRENT                everything up to now has been sent
filter                 how many documents the server counts; if we count others, those that its
                       bloom filter lacks are gone, and if that does not explain it, listen anew
REMOVE                 with a cause: the target is refused, all others live on
NO_CHANGE              a newer token; with a read time and for no target in particular it is the
                       *marker*: everything on the stream is consistent at that time
=====================  ========================================================================

Only a marker raises changes, and only when every target that was held before has caught up
again, so that whoever sees the result never sees two times mixed. Tokens advance with what is
raised (:mod:`~flask_boiler.firestore.listen.resume_tokens`). Target ids are never used twice, and
messages for unknown ids are about targets that nobody wants any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen.bloom_filter import BloomFilter
from flask_boiler.firestore.listen.resume_tokens import ResumeTokens
from flask_boiler.firestore.listen.watch_events import (
    Answered,
    Event,
    HeldBack,
    Mismatched,
    Raised,
    Refused,
)
from flask_boiler.firestore.listen.watched_target import WatchedTarget
from flask_boiler.ground.values import Decoder, QueryTarget, Snapshot, Target

__all__ = ["PROBE_PATH", "Watch"]

#: A document that is listened to for a moment, to make the server say something.
PROBE_PATH = "_boiler/canary"
#: What tells that the server has dealt with a target.
_ANSWERS = (protocol.TargetChange.CURRENT, protocol.TargetChange.REMOVE)


class Watch:
    """All targets of one database, with what the stream has said about them.

    :param database: the resource name, ``projects/P/databases/D``.
    :param decoder: what the snapshots decode their documents with.
    """

    def __init__(self, database: str, decoder: Decoder) -> None:
        self._database = database
        self._prefix = f"{database}/documents/"
        self._decoder = decoder
        self._targets: dict[Target, WatchedTarget] = {}
        self._by_id: dict[int, WatchedTarget] = {}
        #: Ids that the server has neither told nor removed, also of targets that went since.
        self._unanswered: set[int] = set()
        self._last_id = 0
        #: Current targets with something to raise.
        self._ripe: set[WatchedTarget] = set()
        #: Held targets that are not current: nothing can be raised until they are.
        self._behind: set[WatchedTarget] = set()
        self._tokens = ResumeTokens()
        self.read_time_ns = 0
        self.resets = 0
        self.held_back = 0
        self._handlers: dict[str | None, Callable[[Any], Sequence[Event]]] = {
            "target_change": self._target_change,
            "document_change": self._document_change,
            "document_delete": self._document_delete,
            "document_remove": self._document_remove,
            "filter": self._existence_filter,
        }
        self._on_change: dict[int, Callable[[WatchedTarget, Any], Sequence[Event]]] = {
            protocol.TargetChange.ADD: self._added,
            protocol.TargetChange.REMOVE: self._removed,
            protocol.TargetChange.CURRENT: self._caught_up,
            protocol.TargetChange.RESET: self._reset,
            protocol.TargetChange.NO_CHANGE: self._no_change,
        }

    # Requests: what to send, and for which targets the answers are ours.

    def listen(self, target: Target) -> Any:
        """The request to send to begin to listen to a target."""
        watched = self._targets[target] = WatchedTarget(target)
        return self._request(watched, b"")

    def release(self, target: Target) -> Any | None:
        """The request to send to forget a target; ``None`` if the server does not know it."""
        watched = self._targets.pop(target, None)
        if watched is None:
            return None
        self._ripe.discard(watched)
        self._behind.discard(watched)
        return self._removal(watched)

    def relisten(self, target: Target) -> list[Any]:
        """The requests to send to listen again under a new id, without a token.

        A target that was held stays so: what it has now is compared with what it had.
        """
        watched = self._targets.get(target)
        if watched is None:
            return []
        removal = self._abandon(watched)
        addition = self._request(watched, b"")
        return [addition] if removal is None else [removal, addition]

    def probe(self) -> Any:
        """The request to send to get an answer and a newer marker."""
        return self._request(WatchedTarget(PROBE_PATH, probe=True), b"")

    def restart(self) -> list[Any]:
        """The requests that open a new stream; what was not raised before is dropped."""
        self._by_id.clear()
        self._unanswered.clear()
        self._ripe.clear()
        return [self._resume(watched) for watched in self._targets.values()]

    def close(self) -> None:
        """Ignore all messages that may still arrive, because the stream has ended."""
        self._by_id.clear()
        self._unanswered.clear()

    def forget(self) -> list[Target]:
        """The targets that were listened to; none of them is held any more."""
        self._by_id.clear()
        self._ripe.clear()
        self._behind.clear()
        for watched in self._targets.values():
            watched.forget()
        return list(self._targets)

    def update_times(self, target: Target) -> dict[str, int] | None:
        """The update times of a target's documents, with what is pending.

        :returns: ``None`` if the target has not caught up.
        """
        watched = self._targets.get(target)
        if watched is None or not watched.current or watched.target_id not in self._by_id:
            return None
        return watched.effective_update_times()

    @property
    def unanswered(self) -> int:
        """The number of targets that the server has not answered, also of released ones."""
        return len(self._unanswered)

    def is_behind(self) -> bool:
        """Whether some target that was asked for is not current."""
        return any(not watched.current for watched in self._by_id.values())

    def leave_behind(self) -> list[Target]:
        """The targets that have not caught up; they are held no more, and block no others."""
        left = list(self._behind)
        self._behind.clear()
        for watched in left:
            watched.release_hold()
        return [watched.target for watched in left]

    def _resume(self, watched: WatchedTarget) -> Any:
        token = self._tokens.newest(watched)
        watched.presume_gone()
        if token:
            watched.resent = None
        return self._request(watched, token)

    def _abandon(self, watched: WatchedTarget) -> Any | None:
        """Drop what is not raised of the target, and its token; the request that removes it."""
        watched.presume_gone()
        self._tokens.revoke(watched)
        self._ripe.discard(watched)
        if watched.held:
            self._behind.add(watched)
        return self._removal(watched)

    def _request(self, watched: WatchedTarget, token: bytes) -> Any:
        self._last_id += 1
        watched.target_id = self._last_id
        watched.with_token = bool(token)
        watched.fresh = True
        self._by_id[self._last_id] = watched
        self._unanswered.add(self._last_id)
        self._ripe.discard(watched)
        if watched.held:
            self._behind.add(watched)
        request = protocol.ListenRequest(database=self._database)
        self._fill(request.add_target, watched, token)
        return request

    def _fill(self, addition: Any, watched: WatchedTarget, token: bytes) -> None:
        addition.target_id = watched.target_id
        target = watched.target
        if isinstance(target, str):
            addition.documents.documents.append(self._prefix + target)
        else:
            addition.query.parent = (self._prefix + target.parent).rstrip("/")
            addition.query.structured_query.MergeFromString(target.structured)
        if token:
            addition.resume_token = token
            addition.expected_count.value = len(watched.known)

    def _removal(self, watched: WatchedTarget) -> Any | None:
        if self._by_id.pop(watched.target_id, None) is None:
            return None
        return protocol.ListenRequest(database=self._database, remove_target=watched.target_id)

    # Messages: what the server says.

    def receive(self, response: Any) -> Sequence[Event]:
        """The events that follow from one ``ListenResponse``; mostly there are none."""
        kind = response.WhichOneof("response_type")
        handler = self._handlers.get(kind)
        # A kind of message that does not exist yet can only be meant for newer clients.
        return () if handler is None else handler(getattr(response, kind))

    def _document_change(self, change: Any) -> Sequence[Event]:
        document = change.document
        path = document.name[len(self._prefix) :]
        for target_id in change.removed_target_ids:
            self._remove(target_id, path)
        stamp = document.update_time
        update_time_ns = stamp.seconds * 1_000_000_000 + stamp.nanos
        snapshot = None
        for target_id in change.target_ids:
            watched = self._by_id.get(target_id)
            if watched is None:
                continue
            known = watched.known.get(path)
            if known is not None and known.update_time_ns == update_time_ns:
                watched.confirm(path)
            else:
                snapshot = snapshot or self._snapshot(path, document, update_time_ns)
                watched.upsert(path, snapshot)
            self._ripen(watched)
        return ()

    def _snapshot(self, path: str, document: Any, update_time_ns: int) -> Snapshot:
        return Snapshot(
            path,
            document,
            self._decoder,
            create_time_ns=protocol.nanoseconds(document.create_time),
            update_time_ns=update_time_ns,
        )

    def _document_delete(self, deletion: Any) -> Sequence[Event]:
        path = deletion.document[len(self._prefix) :]
        for target_id in deletion.removed_target_ids or tuple(self._by_id):
            self._remove(target_id, path)
        return ()

    def _document_remove(self, removal: Any) -> Sequence[Event]:
        path = removal.document[len(self._prefix) :]
        for target_id in removal.removed_target_ids:
            self._remove(target_id, path)
        return ()

    def _remove(self, target_id: int, path: str) -> None:
        watched = self._by_id.get(target_id)
        if watched is not None:
            watched.remove(path)
            self._ripen(watched)

    def _ripen(self, watched: WatchedTarget) -> None:
        if watched.current:
            self._ripe.add(watched)

    def _existence_filter(self, found: Any) -> Sequence[Event]:
        watched = self._by_id.get(found.target_id)
        if watched is None or watched.probe:
            return ()
        if isinstance(watched.target, str) and found.count == 0:
            watched.remove(watched.target)
            self._ripen(watched)
            return ()
        if watched.effective_count() == found.count:
            return ()
        if self._dropped_strangers(watched, found):
            return ()
        return self._mismatched(watched)

    def _dropped_strangers(self, watched: WatchedTarget, found: Any) -> bool:
        """Drop the documents that the bloom filter lacks, if the count is right then."""
        if not found.HasField("unchanged_names"):
            return False
        bloom = BloomFilter.of(found.unchanged_names)
        if bloom is None:
            return False
        paths = watched.effective_paths()
        strangers = [path for path in paths if self._prefix + path not in bloom]
        if len(paths) - len(strangers) != found.count:
            return False
        for path in strangers:
            watched.remove(path)
        self._ripen(watched)
        return True

    def _mismatched(self, watched: WatchedTarget) -> Sequence[Event]:
        watched.mismatches += 1
        removal = self._abandon(watched)
        return (Mismatched(watched.target, watched.mismatches, removal),)

    def _target_change(self, change: Any) -> Sequence[Event]:
        kind = change.target_change_type
        if not change.target_ids and kind == protocol.TargetChange.NO_CHANGE:
            return self._marker(change)
        if kind in _ANSWERS:
            self._unanswered.difference_update(change.target_ids or self._by_id)
        handler = self._on_change.get(kind)
        if handler is None:
            return ()
        events: list[Event] = []
        for target_id in change.target_ids or tuple(self._by_id):
            watched = self._by_id.get(target_id)
            if watched is not None:
                events.extend(handler(watched, change))
        return events

    def _added(self, watched: WatchedTarget, change: Any) -> Sequence[Event]:
        return ()

    def _no_change(self, watched: WatchedTarget, change: Any) -> Sequence[Event]:
        if change.resume_token:
            watched.next_token = change.resume_token
            self._ripen(watched)
        return ()

    def _reset(self, watched: WatchedTarget, change: Any) -> Sequence[Event]:
        self.resets += 1
        watched.presume_gone()
        self._ripe.discard(watched)
        if watched.held:
            self._behind.add(watched)
        return ()

    def _caught_up(self, watched: WatchedTarget, change: Any) -> Sequence[Event]:
        if watched.probe:
            return self._answered(watched)
        watched.current = True
        if change.resume_token:
            watched.next_token = change.resume_token
        self._ripe.add(watched)
        self._behind.discard(watched)
        return ()

    def _answered(self, probe: WatchedTarget) -> Sequence[Event]:
        removal = self._removal(probe)
        return () if removal is None else (Answered(removal),)

    def _removed(self, watched: WatchedTarget, change: Any) -> Sequence[Event]:
        if not change.HasField("cause"):
            # Our own removals are unknown ids by now, so the server lost a target of ours.
            self._by_id.pop(watched.target_id, None)
            return () if watched.probe else self._mismatched(watched)
        if watched.probe:
            return self._answered(watched)
        self._by_id.pop(watched.target_id, None)
        if watched.with_token:
            # The token may be what is refused: without one the server says whether it is.
            return self._mismatched(watched)
        self._ripe.discard(watched)
        self._behind.discard(watched)
        watched.forget()
        return (Refused(watched.target, _described(change.cause)),)

    def _marker(self, change: Any) -> Sequence[Event]:
        read_time_ns = protocol.nanoseconds(change.read_time)
        if not read_time_ns or read_time_ns < self.read_time_ns:
            return ()
        if self._behind:
            self.held_back += 1
            return (HeldBack(),)
        self._tokens.mark(change.resume_token)
        self.read_time_ns = read_time_ns
        return (self._raise(Raised(read_time_ns)),)

    def _raise(self, raised: Raised) -> Raised:
        for watched in self._ripe:
            self._settle(watched, raised)
        self._ripe.clear()
        return raised

    def _settle(self, watched: WatchedTarget, raised: Raised) -> None:
        self._tokens.advance(watched)
        target = watched.target
        if watched.fresh:
            raised.caught_up.append(target)
        changes = watched.settle()
        if isinstance(target, QueryTarget):
            if changes or not watched.held:
                raised.queries[target] = changes
        elif changes or not watched.held:
            snapshot = watched.known.get(target)
            raised.documents[target] = snapshot or Snapshot(target, None, self._decoder)
        if not watched.held:
            watched.held = True
            raised.held.append(target)


def _described(cause: Any) -> str:
    return f"{cause.message or 'no reason given'} (code {cause.code})"
