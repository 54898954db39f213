"""A target of the stream, and the documents that it has."""

from __future__ import annotations

from flask_boiler.ground.values import Snapshot, Target

__all__ = ["WatchedTarget"]


class WatchedTarget:
    """A target of the stream, and what is known about it.

    :ivar known: the documents as of the last raise.
    :ivar former: the documents as of the last raise before it was held no more; who has slept
        since must hear of those that are gone.
    :ivar pending: what changed since, ``None`` for documents that left.
    :ivar resent: after a RESET, the known documents that came again unchanged; all others are
        presumed gone. ``None`` when there was no RESET.
    """

    __slots__ = (
        "current",
        "former",
        "fresh",
        "held",
        "known",
        "mismatches",
        "next_token",
        "pending",
        "probe",
        "resent",
        "target",
        "target_id",
        "token",
        "token_turn",
        "with_token",
    )

    def __init__(self, target: Target, *, probe: bool = False) -> None:
        self.target = target
        self.target_id = 0
        self.probe = probe
        self.known: dict[str, Snapshot] = {}
        self.former: set[str] = set()
        self.pending: dict[str, Snapshot | None] = {}
        self.resent: set[str] | None = None
        self.current = False
        self.held = False
        #: Listened to, or listened to again, and not raised since.
        self.fresh = True
        self.mismatches = 0
        #: The token of the last raise, and its place among all tokens of the stream.
        self.token = b""
        self.token_turn = 0
        self.next_token = b""
        self.with_token = False

    def upsert(self, path: str, snapshot: Snapshot) -> None:
        """Note that the target has the document, in this state."""
        known = self.known.get(path)
        if known is not None and known.update_time_ns == snapshot.update_time_ns:
            self.confirm(path)
            return
        self.pending[path] = snapshot
        if self.resent is not None:
            self.resent.discard(path)

    def confirm(self, path: str) -> None:
        """Note that the target still has a known document, unchanged."""
        self.pending.pop(path, None)
        if self.resent is not None:
            self.resent.add(path)

    def remove(self, path: str) -> None:
        """Note that the target does not have the document."""
        if self.resent is not None:
            self.resent.discard(path)
            self.pending.pop(path, None)
        elif path in self.known:
            self.pending[path] = None
        else:
            self.pending.pop(path, None)

    def presume_gone(self) -> None:
        """Presume that all documents are gone until they are sent again."""
        self.pending.clear()
        self.next_token = b""
        self.current = False
        # With nothing known there is nothing to compare with.
        self.resent = set() if self.known else None

    def forget(self) -> None:
        """Forget all documents."""
        self.former.update(self.known)
        self.known.clear()
        self.presume_gone()
        self.release_hold()

    def release_hold(self) -> None:
        """Hold the target no more: when it is raised again, all its documents are changes."""
        self.former.update(self.known)
        kept = self.known if self.resent is None else {p: self.known[p] for p in self.resent}
        documents = {**kept, **self.pending}
        self.pending = {path: found for path, found in documents.items() if found is not None}
        self.known = {}
        self.resent = None
        self.held = False
        self.token, self.token_turn = b"", 0

    def effective_count(self) -> int:
        """The number of documents that the target has, with what is pending."""
        if self.resent is not None:
            return len(self.resent) + len(self.pending)
        known = self.known
        return len(known) + sum(
            -1 if snapshot is None else path not in known for path, snapshot in self.pending.items()
        )

    def effective_paths(self) -> list[str]:
        """The paths of the documents that the target has, with what is pending."""
        kept = self.known if self.resent is None else self.resent
        paths = [path for path in kept if path not in self.pending]
        paths.extend(path for path, snapshot in self.pending.items() if snapshot is not None)
        return paths

    def effective_update_times(self) -> dict[str, int]:
        """The update times of the target's documents by path, with what is pending."""
        times = {path: self.known[path].update_time_ns for path in self.known}
        if self.resent is not None:
            times = {path: times[path] for path in self.resent}
        for path, snapshot in self.pending.items():
            if snapshot is None:
                times.pop(path, None)
            else:
                times[path] = snapshot.update_time_ns
        return times

    def settle(self) -> dict[str, Snapshot | None]:
        """The changes that are pending; from now on they are known."""
        changes = self.pending
        if self.resent is not None:
            for path in self.known.keys() - self.resent - changes.keys():
                changes[path] = None
        for path in self.former:
            changes.setdefault(path, None)
        self.former.clear()
        for path, snapshot in changes.items():
            if snapshot is None:
                self.known.pop(path, None)
            else:
                self.known[path] = snapshot
        self.resent = None
        self.pending = {}
        self.mismatches = 0
        self.fresh = False
        return changes
