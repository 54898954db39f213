"""Resume tokens: a stream that is opened again goes on after the token of each target."""

from __future__ import annotations

from flask_boiler.firestore.listen.watched_target import WatchedTarget

__all__ = ["ResumeTokens"]


class ResumeTokens:
    """The tokens with which the targets of one stream resume.

    The server sends a token for one target, or with a marker for all that are held. A token counts
    when the changes before it are raised, and not earlier, so no change is lost in between. The
    *turn* of a token is the number of the marker that raised it: the higher one is the newer.
    """

    def __init__(self) -> None:
        self._turn = 0
        #: The newest token that a marker had, and its turn.
        self._marked = b""
        self._marked_turn = 0

    def mark(self, token: bytes) -> None:
        """Begin the turn of a marker, with the token that it has, if any."""
        self._turn += 1
        if token:
            self._marked, self._marked_turn = token, self._turn

    def advance(self, watched: WatchedTarget) -> None:
        """Let the token that was sent for a target count, because its changes are raised."""
        if watched.next_token or not watched.held:
            watched.token, watched.token_turn = watched.next_token, self._turn
            watched.next_token = b""

    def revoke(self, watched: WatchedTarget) -> None:
        """Let no token count for a target until the next marker."""
        watched.token, watched.token_turn = b"", self._turn + 1

    def newest(self, watched: WatchedTarget) -> bytes:
        """The newest token that counts for a target; empty if there is none."""
        if not watched.held:
            return b""
        return self._marked if self._marked_turn >= watched.token_turn else watched.token
