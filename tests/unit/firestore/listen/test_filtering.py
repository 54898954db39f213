"""Existence filters: how the server tells that documents went unnoticed."""

from __future__ import annotations

import pytest

from flask_boiler.firestore.listen.watch_events import Event, Mismatched
from tests.scripted_firestore.messages import (
    changed,
    current,
    document,
    existence_filter,
    marker,
    name,
    removed,
    reset,
)
from tests.unit.firestore.listen.stage import WatchSpec, collection

CITIES = collection("City")


def _with_cities(*ids: str) -> tuple[WatchSpec, int]:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(*(changed(document(f"City/{i}", 5), target_id) for i in ids))
    spec.say(current(target_id), marker(10))
    return spec, target_id


def _mismatch(events: list[Event]) -> Mismatched:
    (event,) = events
    assert isinstance(event, Mismatched), event
    return event


def test_a_filter_that_agrees_changes_nothing() -> None:
    spec, target_id = _with_cities("SF", "LA")

    assert not spec.say(existence_filter(target_id, 2))
    assert not spec.raised(marker(12)).queries


def test_what_is_pending_counts() -> None:
    spec, target_id = _with_cities("SF")
    spec.say(changed(document("City/LA", 11), target_id))

    assert not spec.say(existence_filter(target_id, 2))


def test_after_a_reset_only_what_came_again_counts() -> None:
    spec, target_id = _with_cities("SF", "LA")
    spec.say(reset(target_id), changed(document("City/SF", 5), target_id))

    assert not spec.say(existence_filter(target_id, 1))
    assert spec.say(existence_filter(target_id, 2))


def test_documents_that_the_bloom_filter_lacks_are_gone() -> None:
    spec, target_id = _with_cities("SF", "LA", "NY")

    assert not spec.say(existence_filter(target_id, 1, [name("City/LA")]))
    raised = spec.raised(marker(12))

    assert raised.queries == {CITIES: {"City/SF": None, "City/NY": None}}


def test_a_bloom_filter_that_does_not_explain_the_count_is_not_believed() -> None:
    spec, target_id = _with_cities("SF", "LA", "NY")

    event = _mismatch(spec.say(existence_filter(target_id, 2, [name("City/LA")])))

    assert event.target == CITIES
    assert event.removal is not None
    assert event.removal.remove_target == target_id


@pytest.mark.parametrize("hash_count", [0, -1])
def test_a_broken_bloom_filter_is_not_believed(hash_count: int) -> None:
    spec, target_id = _with_cities("SF", "LA")
    broken = existence_filter(target_id, 1, [name("City/LA")])
    broken.filter.unchanged_names.hash_count = hash_count

    assert _mismatch(spec.say(broken))


def test_a_mismatch_is_mended_by_listening_again_and_comparing() -> None:
    spec, target_id = _with_cities("SF", "LA")
    assert _mismatch(spec.say(existence_filter(target_id, 1))).times == 1

    (request,) = spec.watch.relisten(CITIES)
    fresh_id = request.add_target.target_id
    assert fresh_id != target_id
    assert not request.add_target.resume_token

    # What the server still says to the old id means nothing.
    spec.say(changed(document("City/XX", 99), target_id), current(target_id))
    raised = spec.raised(changed(document("City/LA", 5), fresh_id), current(fresh_id), marker(12))

    assert raised.queries == {CITIES: {"City/SF": None}}
    assert not raised.held


def test_nothing_is_raised_until_a_mismatch_is_mended() -> None:
    spec, target_id = _with_cities("SF", "LA")
    other = spec.listen("City/XX")
    spec.say(existence_filter(target_id, 1))

    events = spec.say(current(other), marker(12))

    assert not any(getattr(event, "documents", None) for event in events)


def test_mismatches_in_a_row_are_counted() -> None:
    spec, target_id = _with_cities("SF", "LA")
    spec.say(existence_filter(target_id, 1))
    (request,) = spec.watch.relisten(CITIES)

    event = _mismatch(spec.say(existence_filter(request.add_target.target_id, 1)))

    assert event.times == 2


def test_a_filter_of_none_for_a_single_document_is_its_deletion() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10))

    assert not spec.say(existence_filter(target_id, 0))

    assert not spec.raised(marker(12)).documents["City/SF"].exists


def test_a_filter_of_one_for_a_missing_document_is_a_mismatch() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(current(target_id), marker(10))

    assert _mismatch(spec.say(existence_filter(target_id, 1))).target == "City/SF"


def test_a_filter_for_an_unknown_target_is_ignored() -> None:
    spec, _ = _with_cities("SF")

    assert not spec.say(existence_filter(99, 7))


def test_a_target_that_the_server_lost_without_a_cause_is_listened_to_again() -> None:
    spec, target_id = _with_cities("SF")

    event = _mismatch(spec.say(removed(target_id)))

    assert event.removal is None
    assert len(spec.watch.relisten(CITIES)) == 1
