"""When changes are raised, and what is in them."""

from __future__ import annotations

from flask_boiler.firestore.listen.watch_events import HeldBack
from tests.scripted_firestore.messages import (
    added,
    changed,
    current,
    deleted,
    document,
    left,
    marker,
    name,
    reset,
    token_for,
)
from tests.unit.firestore.listen.stage import WatchSpec, collection

CITIES = collection("City")


def test_the_first_result_of_a_query_is_raised_even_when_empty() -> None:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)

    raised = spec.raised(added(target_id), current(target_id), marker(10))

    assert raised.read_time_ns == 10
    assert raised.held == [CITIES]
    assert raised.queries == {CITIES: {}}


def test_a_document_that_is_current_without_a_message_is_missing() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")

    raised = spec.raised(current(target_id), marker(10))

    assert raised.held == ["City/SF"]
    assert not raised.documents["City/SF"].exists


def test_nothing_is_raised_before_the_marker() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")

    assert not spec.say(
        added(target_id), changed(document("City/SF", 5, {"a": 1}), target_id), current(target_id)
    )
    raised = spec.raised(marker(10))

    assert raised.documents["City/SF"].fields == {"a": 1}
    assert raised.documents["City/SF"].update_time_ns == 5


def test_a_token_for_one_target_is_no_marker() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(current(target_id))

    token = token_for(target_id, token=b"t")
    token.target_change.read_time.CopyFrom(marker(10).target_change.read_time)

    assert not spec.say(token)


def test_a_message_without_a_read_time_is_no_marker() -> None:
    spec = WatchSpec()
    spec.say(current(spec.listen("City/SF")))

    assert not spec.say(marker(0, token=b"t"))


def test_a_target_that_has_not_caught_up_is_left_out() -> None:
    spec = WatchSpec()
    first, second = spec.listen("City/SF"), spec.listen("City/LA")

    raised = spec.raised(current(first), changed(document("City/LA", 5), second), marker(10))
    assert list(raised.documents) == ["City/SF"]

    raised = spec.raised(current(second), marker(11))
    assert list(raised.documents) == ["City/LA"]


def test_the_read_time_never_goes_back() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(current(target_id), marker(10))

    assert not spec.say(changed(document("City/SF", 5), target_id), marker(9))
    raised = spec.raised(marker(10))

    assert raised.documents["City/SF"].update_time_ns == 5


def test_a_marker_without_changes_is_raised_too() -> None:
    spec = WatchSpec()
    spec.say(current(spec.listen("City/SF")), marker(10))

    raised = spec.raised(marker(11))

    assert raised.read_time_ns == 11
    assert not raised.documents


def test_a_transaction_on_several_targets_is_raised_at_once() -> None:
    spec = WatchSpec()
    rich, poor, cities = spec.listen("City/rich"), spec.listen("City/poor"), spec.listen(CITIES)
    spec.say(
        changed(document("City/rich", 5), rich, cities),
        changed(document("City/poor", 5), poor, cities),
        current(rich, poor, cities),
        marker(10),
    )

    assert not spec.say(changed(document("City/rich", 15), rich, cities))
    raised = spec.raised(changed(document("City/poor", 15), poor, cities), marker(20))

    assert {p: s.update_time_ns for p, s in raised.documents.items()} == {
        "City/rich": 15,
        "City/poor": 15,
    }
    assert raised.queries[CITIES].keys() == {"City/rich", "City/poor"}


def test_while_a_held_target_starts_over_nothing_is_raised() -> None:
    spec = WatchSpec()
    document_id, query_id = spec.listen("City/SF"), spec.listen(CITIES)
    spec.say(changed(document("City/SF", 5), document_id, query_id))
    spec.say(current(document_id, query_id), marker(10))

    events = spec.say(reset(query_id), changed(document("City/SF", 15), document_id), marker(20))
    assert events == [HeldBack()]
    raised = spec.raised(changed(document("City/SF", 15), query_id), current(query_id), marker(21))

    assert raised.documents["City/SF"].update_time_ns == 15
    assert raised.queries[CITIES].keys() == {"City/SF"}


def test_current_for_no_target_in_particular_is_for_all() -> None:
    spec = WatchSpec()
    spec.listen("City/SF")
    spec.listen("City/LA")

    assert set(spec.raised(current(), marker(10)).held) == {"City/SF", "City/LA"}


def test_a_document_enters_changes_and_leaves_a_query() -> None:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(current(target_id), marker(10))

    entered = spec.raised(changed(document("City/SF", 11), target_id), marker(12))
    modified = spec.raised(changed(document("City/SF", 13), target_id), marker(14))
    gone = spec.raised(left(name("City/SF"), target_id), marker(16))

    assert entered.queries[CITIES]["City/SF"] is not None
    assert modified.queries[CITIES]["City/SF"] is not None
    assert gone.queries == {CITIES: {"City/SF": None}}


def test_a_change_that_takes_a_document_out_of_one_query_and_into_another() -> None:
    spec = WatchSpec()
    big = collection("City", order_by="big")
    all_id, big_id = spec.listen(CITIES), spec.listen(big)
    spec.say(changed(document("City/SF", 5), all_id, big_id), current(all_id, big_id), marker(10))

    raised = spec.raised(changed(document("City/SF", 11), all_id, left=[big_id]), marker(12))

    assert raised.queries[big] == {"City/SF": None}
    assert raised.queries[CITIES]["City/SF"] is not None


def test_a_deleted_document_is_gone_from_every_target() -> None:
    spec = WatchSpec()
    document_id, query_id = spec.listen("City/SF"), spec.listen(CITIES)
    spec.say(changed(document("City/SF", 5), document_id, query_id))
    spec.say(current(document_id, query_id), marker(10))

    raised = spec.raised(deleted(name("City/SF"), document_id, query_id), marker(12))

    assert not raised.documents["City/SF"].exists
    assert raised.queries == {CITIES: {"City/SF": None}}


def test_a_document_deleted_for_no_target_in_particular_is_gone_from_all() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10))

    assert not spec.raised(deleted(name("City/SF")), marker(12)).documents["City/SF"].exists


def test_a_document_that_comes_and_goes_between_two_markers_never_was() -> None:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(current(target_id), marker(10))

    raised = spec.raised(
        changed(document("City/SF", 11), target_id), left(name("City/SF"), target_id), marker(12)
    )

    assert not raised.queries


def test_an_unchanged_update_time_is_no_change() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10))

    raised = spec.raised(changed(document("City/SF", 5), target_id), marker(12))

    assert not raised.documents


def test_a_document_that_returns_as_it_was_is_no_change() -> None:
    spec = WatchSpec()
    target_id = spec.listen(CITIES)
    spec.say(changed(document("City/SF", 5), target_id), current(target_id), marker(10))

    raised = spec.raised(
        left(name("City/SF"), target_id), changed(document("City/SF", 5), target_id), marker(12)
    )

    assert not raised.queries


def test_messages_for_targets_that_nobody_knows_are_ignored() -> None:
    spec = WatchSpec()
    target_id = spec.listen("City/SF")
    spec.watch.release("City/SF")

    raised = spec.raised(
        changed(document("City/SF", 5), target_id, 99),
        deleted(name("City/SF"), 99),
        reset(99),
        current(target_id, 99),
        marker(10),
    )

    assert not raised.documents


def test_a_released_target_keeps_nobody_waiting() -> None:
    spec = WatchSpec()
    first, second = spec.listen("City/SF"), spec.listen("City/LA")
    spec.say(current(first, second), marker(10), reset(first))

    spec.watch.release("City/SF")

    assert spec.raised(changed(document("City/LA", 11), second), marker(12)).documents


def test_a_message_of_an_unknown_kind_is_ignored() -> None:
    spec = WatchSpec()

    assert not spec.say(type(marker(1))())
