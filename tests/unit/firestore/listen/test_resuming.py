"""What survives a lost stream: tokens, and only those of what was raised."""

from __future__ import annotations

from flask_boiler.firestore.listen.watch_events import HeldBack, Mismatched, Refused
from tests.scripted_firestore.messages import (
    changed,
    current,
    deleted,
    document,
    existence_filter,
    marker,
    name,
    removed,
    reset,
    token_for,
)
from tests.unit.firestore.listen.stage import WatchSpec, collection

CITIES = collection("City")


def _held(*, marker_token: bytes = b"marker-10", token: bytes = b"current") -> WatchSpec:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 6), target_id),
        current(target_id, token=token),
        marker(10, token=marker_token),
    )
    return spec


def test_a_held_target_resumes_with_the_markers_token_and_its_count() -> None:
    addition = _held().restart()[CITIES]

    assert addition.resume_token == b"marker-10"
    assert addition.expected_count.value == 2


def test_without_a_token_in_the_marker_the_targets_own_is_used() -> None:
    addition = _held(marker_token=b"").restart()[CITIES]

    assert addition.resume_token == b"current"


def test_without_any_token_all_is_compared() -> None:
    spec = _held(marker_token=b"", token=b"")
    addition = spec.restart()[CITIES]
    assert not addition.resume_token
    assert not addition.HasField("expected_count")

    raised = spec.raised(
        changed(document("City/SF", 5), addition.target_id),
        current(addition.target_id),
        marker(20),
    )

    assert raised.queries == {CITIES: {"City/LA": None}}


def test_every_stream_gets_fresh_ids() -> None:
    spec = _held()
    ids = {spec.restart()[CITIES].target_id for _ in range(3)}

    assert len(ids) == 3


def test_a_resumed_target_is_told_only_what_is_new() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id

    raised = spec.raised(
        changed(document("City/NY", 15), target_id), current(target_id), marker(20)
    )

    assert raised.queries[CITIES].keys() == {"City/NY"}


def test_what_was_not_raised_is_void() -> None:
    spec = _held()
    before = spec.restart()[CITIES].target_id
    spec.say(changed(document("City/NY", 15), before), current(before, token=b"not raised"))

    addition = spec.restart()[CITIES]
    assert addition.resume_token == b"marker-10"
    raised = spec.raised(current(addition.target_id), marker(20))

    assert not raised.queries


def test_a_token_is_not_kept_until_its_changes_are_raised() -> None:
    spec = _held(marker_token=b"")
    target_id = spec.restart()[CITIES].target_id
    spec.say(current(target_id), marker(11))
    spec.say(changed(document("City/NY", 15), target_id), token_for(target_id, token=b"later"))

    assert spec.restart()[CITIES].resume_token == b"current"


def test_a_token_for_one_target_is_kept_with_the_next_raise() -> None:
    spec = _held(marker_token=b"")
    target_id = spec.restart()[CITIES].target_id
    spec.say(current(target_id), token_for(target_id, token=b"later"), marker(20))

    assert spec.restart()[CITIES].resume_token == b"later"


def test_a_marker_that_was_held_back_leaves_no_token() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id
    events = spec.say(current(target_id), reset(target_id), marker(20, token=b"marker-20"))
    assert events == [HeldBack()]

    assert spec.restart()[CITIES].resume_token == b"marker-10"


def test_a_markers_token_is_not_for_targets_that_were_held_later() -> None:
    spec = _held()
    late = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), late), current(late, token=b"late"), marker(11))

    additions = spec.restart()

    assert additions["City/SF"].resume_token == b"late"
    assert additions[CITIES].resume_token == b"marker-10"


def test_a_markers_token_is_for_all_that_are_held() -> None:
    spec = _held()
    late = spec.listen("City/SF")
    spec.say(current(late, token=b"late"), marker(11, token=b"marker-11"))

    assert {a.resume_token for a in spec.restart().values()} == {b"marker-11"}


def test_a_target_that_was_never_held_has_no_token() -> None:
    spec = _held()
    spec.say(token_for(spec.listen("City/SF"), token=b"early"))

    assert not spec.restart()["City/SF"].resume_token


def test_nothing_is_raised_until_all_that_was_held_has_caught_up_again() -> None:
    spec = _held()
    spec.say(current(spec.listen("City/SF")), marker(11))
    additions = spec.restart()

    assert spec.say(current(additions["City/SF"].target_id), marker(20)) == [HeldBack()]
    raised = spec.raised(current(additions[CITIES].target_id), marker(21))

    assert raised.read_time_ns == 21


def test_an_expired_token_is_answered_with_reset_and_compared() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id

    raised = spec.raised(
        reset(target_id),
        changed(document("City/LA", 6), target_id),
        current(target_id),
        marker(20),
    )

    assert raised.queries == {CITIES: {"City/SF": None}}


def test_a_refused_token_is_not_a_refused_target() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id

    (event,) = spec.say(removed(target_id, code=9, message="the token is too old"))
    assert isinstance(event, Mismatched)
    (request,) = spec.watch.relisten(CITIES)

    assert not request.add_target.resume_token


def test_a_target_that_is_refused_without_a_token_too_is_refused() -> None:
    spec = _held()
    spec.say(removed(spec.restart()[CITIES].target_id, code=7, message="no"))
    (request,) = spec.watch.relisten(CITIES)

    events = spec.say(removed(request.add_target.target_id, code=7, message="no"))

    assert events == [Refused(CITIES, "no (code 7)")]


def test_after_a_mismatch_the_old_token_is_not_used_again() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id
    spec.say(existence_filter(target_id, 17))
    spec.watch.relisten(CITIES)

    assert not spec.restart()[CITIES].resume_token


def test_a_document_deleted_meanwhile_is_told_by_the_filter() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10, token=b"t"))
    addition = spec.restart()["City/SF"]
    assert addition.expected_count.value == 1

    raised = spec.raised(
        existence_filter(addition.target_id, 0), current(addition.target_id), marker(20)
    )

    assert not raised.documents["City/SF"].exists


def test_a_closed_stream_says_nothing_more() -> None:
    spec = _held()
    target_id = spec.restart()[CITIES].target_id
    spec.watch.close()

    spec.say(deleted(name("City/SF"), target_id), current(target_id))

    assert spec.watch.update_times(CITIES) is None


def test_targets_that_stay_behind_can_be_left_and_come_back_with_all_they_have() -> None:
    spec = _held()
    spec.say(current(spec.listen("City/SF")), marker(11))
    additions = spec.restart()
    slow = additions[CITIES].target_id
    spec.say(
        current(additions["City/SF"].target_id),
        changed(document("City/NY", 15), slow),
        deleted(name("City/SF"), slow),
    )

    assert spec.watch.leave_behind() == [CITIES]
    assert not spec.raised(marker(20)).queries

    raised = spec.raised(current(slow), marker(21))
    assert raised.held == [CITIES]
    members = {path for path, found in raised.queries[CITIES].items() if found is not None}
    assert members == {"City/LA", "City/NY"}
    assert raised.queries[CITIES]["City/SF"] is None


def test_a_target_left_behind_in_a_reset_comes_back_with_what_was_sent_again() -> None:
    spec = _held()
    spec.say(current(spec.listen("City/SF")), marker(11))
    additions = spec.restart()
    slow = additions[CITIES].target_id
    spec.say(current(additions["City/SF"].target_id), reset(slow))
    spec.say(changed(document("City/SF", 5), slow))
    spec.watch.leave_behind()

    raised = spec.raised(changed(document("City/NY", 15), slow), current(slow), marker(21))

    members = {path for path, found in raised.queries[CITIES].items() if found is not None}
    assert members == {"City/SF", "City/NY"}
    assert raised.queries[CITIES]["City/LA"] is None
