"""The resume tokens of a stream's targets: which one counts, and from when on."""

from __future__ import annotations

from flask_boiler.firestore.listen.resume_tokens import ResumeTokens
from flask_boiler.firestore.listen.watched_target import WatchedTarget


def held(token: bytes = b"") -> WatchedTarget:
    target = WatchedTarget("City/SF")
    target.held = True
    target.next_token = token
    return target


def test_a_token_counts_when_what_came_before_it_is_raised() -> None:
    tokens, target = ResumeTokens(), held(b"own")
    assert tokens.newest(target) == b""
    tokens.mark(b"")
    tokens.advance(target)
    assert tokens.newest(target) == b"own"


def test_the_token_of_a_later_marker_counts_for_all_that_are_held() -> None:
    tokens, target = ResumeTokens(), held(b"own")
    tokens.mark(b"")
    tokens.advance(target)
    tokens.mark(b"marker")
    assert tokens.newest(target) == tokens.newest(held()) == b"marker"
    tokens.mark(b"")
    target.next_token = b"newer"
    tokens.advance(target)
    assert tokens.newest(target) == b"newer"
    assert tokens.newest(held()) == b"marker"


def test_no_token_counts_for_a_target_that_is_not_held() -> None:
    tokens = ResumeTokens()
    tokens.mark(b"marker")
    assert tokens.newest(WatchedTarget("City/SF")) == b""


def test_a_revoked_token_counts_no_more_until_the_next_marker() -> None:
    tokens, target = ResumeTokens(), held(b"own")
    tokens.mark(b"marker")
    tokens.advance(target)
    tokens.revoke(target)
    assert tokens.newest(target) == b""
    tokens.mark(b"next")
    assert tokens.newest(target) == b"next"
