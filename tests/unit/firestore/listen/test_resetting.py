"""RESET: everything is presumed gone until it comes again."""

from __future__ import annotations

from tests.scripted_firestore.messages import (
    changed,
    current,
    deleted,
    document,
    left,
    marker,
    name,
    reset,
)
from tests.unit.firestore.listen.stage import WatchSpec, collection

CITIES = collection("City")


def _with_two_cities() -> tuple[WatchSpec, int]:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 6), target_id),
        current(target_id),
        marker(10),
    )
    return spec, target_id


def test_what_comes_again_unchanged_did_not_happen() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        reset(target_id),
        changed(document("City/LA", 6), target_id),
        changed(document("City/SF", 5), target_id),
        current(target_id),
        marker(12),
    )

    assert not raised.queries
    assert not raised.held
    assert spec.watch.resets == 1


def test_what_does_not_come_again_is_gone() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        reset(target_id),
        changed(document("City/SF", 11), target_id),
        current(target_id),
        marker(12),
    )

    sf = raised.queries[CITIES]["City/SF"]
    assert sf is not None
    assert sf.update_time_ns == 11
    assert raised.queries[CITIES]["City/LA"] is None


def test_what_was_pending_is_forgotten() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        changed(document("City/NY", 11), target_id),
        left(name("City/LA"), target_id),
        reset(target_id),
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 6), target_id),
        current(target_id),
        marker(12),
    )

    assert not raised.queries


def test_a_document_that_comes_again_and_then_leaves_is_gone() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        reset(target_id),
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 6), target_id),
        left(name("City/LA"), target_id),
        current(target_id),
        marker(12),
    )

    assert raised.queries == {CITIES: {"City/LA": None}}


def test_a_document_that_changes_after_it_came_again() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        reset(target_id),
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 6), target_id),
        changed(document("City/LA", 11), target_id),
        current(target_id),
        marker(12),
    )

    assert raised.queries[CITIES].keys() == {"City/LA"}


def test_two_resets_in_a_row_count_as_one() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(
        reset(target_id),
        changed(document("City/SF", 5), target_id),
        reset(target_id),
        changed(document("City/LA", 6), target_id),
        current(target_id),
        marker(12),
    )

    assert raised.queries == {CITIES: {"City/SF": None}}


def test_after_a_reset_was_raised_the_next_one_starts_from_there() -> None:
    spec, target_id = _with_two_cities()
    spec.say(
        reset(target_id), changed(document("City/SF", 5), target_id), current(target_id), marker(12)
    )

    raised = spec.raised(changed(document("City/LA", 13), target_id), marker(14))

    assert raised.queries[CITIES].keys() == {"City/LA"}


def test_a_single_document_that_does_not_come_again_is_missing() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10))

    raised = spec.raised(
        reset(target_id), deleted(name("City/SF"), target_id), current(target_id), marker(12)
    )

    assert not raised.documents["City/SF"].exists


def test_a_reset_for_no_target_in_particular_is_for_all() -> None:
    spec, target_id = _with_two_cities()

    raised = spec.raised(reset(), current(target_id), marker(12))

    assert raised.queries == {CITIES: {"City/SF": None, "City/LA": None}}
