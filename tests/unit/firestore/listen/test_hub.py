"""The hub on a recorded stream: who listens, who is told, what is mended."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from flask_boiler.errors import ListenError
from flask_boiler.firestore.listen.watch import PROBE_PATH
from flask_boiler.ground.ports import CutChange
from tests.scripted_firestore.messages import (
    changed,
    current,
    document,
    existence_filter,
    marker,
    removed,
    reset,
)
from tests.unit.firestore.listen.stage import HubSpec, Receiver, collection

CITIES = collection("City")
TIMEOUT_S = 60.0


@pytest.fixture
def spec() -> Any:
    made = HubSpec()
    yield made
    made.hub.stop()


# Who listens.


def test_before_the_first_marker_there_is_an_empty_cut(spec: HubSpec) -> None:
    assert spec.hub.cut.read_time_ns == 0
    assert spec.hub.cut.document("City/SF") is None
    assert spec.hub.cut.query(CITIES) is None


def test_a_target_is_in_the_cut_from_the_first_marker_at_which_it_is_current(
    spec: HubSpec,
) -> None:
    (target_id,) = spec.listen("City/SF")
    spec.say(changed(document("City/SF", 5), target_id), current(target_id))
    assert spec.hub.cut.document("City/SF") is None

    spec.say(marker(10))

    found = spec.hub.cut.document("City/SF")
    assert found is not None
    assert found.update_time_ns == 5


def test_parties_share_a_target(spec: HubSpec) -> None:
    target_id = spec.hold("City/SF", 5, 10)
    spec.hub.listen(["City/SF"])
    spec.sent.take(0)

    spec.hub.release(["City/SF"])
    spec.sent.take(0)
    assert spec.hub.cut.document("City/SF") is not None

    spec.hub.release(["City/SF"])
    (request,) = spec.sent.take(1)
    assert request.remove_target == target_id
    assert spec.hub.cut.document("City/SF") is None


def test_an_older_cut_keeps_what_was_released(spec: HubSpec) -> None:
    spec.hold("City/SF", 5, 10)
    cut = spec.hub.cut

    spec.hub.release(["City/SF"])

    assert cut.document("City/SF") is not None


def test_listening_again_uses_a_fresh_id(spec: HubSpec) -> None:
    first = spec.hold("City/SF", 5, 10)
    spec.hub.release(["City/SF"])
    spec.sent.take(1)

    assert spec.listen("City/SF") != [first]


def test_releasing_what_nobody_listens_to_is_an_error(spec: HubSpec) -> None:
    with pytest.raises(ValueError, match="City/SF was released more often"):
        spec.hub.release(["City/SF"])


def test_there_is_demand_while_somebody_listens(spec: HubSpec) -> None:
    assert not spec.stream.is_demanded()
    spec.listen("City/SF")
    assert spec.stream.is_demanded()
    spec.hub.release(["City/SF"])
    assert not spec.stream.is_demanded()


def test_what_is_listened_to_without_a_stream_is_said_when_it_opens(spec: HubSpec) -> None:
    spec.hub.closed()
    spec.hub.listen(["City/SF"])

    (addition,) = spec.stream.open().additions(1)

    assert addition.documents.documents[0].endswith("/City/SF")


# Who is told.


def test_changes_are_delivered_with_their_cut(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    target_id, query_id = spec.listen("City/SF", CITIES)
    spec.say(changed(document("City/SF", 5), target_id, query_id), current(), marker(10))

    change = receiver.next()

    assert change.cut.read_time_ns == 10
    assert change.documents == {"City/SF"}
    assert change.queries == {CITIES: {"City/SF"}}
    assert change.cut.member(CITIES, "City/SF") is change.cut.document("City/SF")


def test_a_query_without_members_is_announced(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    spec.listen(CITIES)
    spec.say(current(), marker(10))

    assert receiver.next().queries == {CITIES: set()}


def test_a_marker_without_changes_is_delivered_too(spec: HubSpec) -> None:
    spec.hold("City/SF", 5, 10)
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    spec.say(marker(11))

    change = receiver.next()

    assert change.cut.read_time_ns == 11
    assert not change.documents


def test_a_slow_receiver_gets_all_it_missed_as_one_change(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    receiver.block()
    target_id = spec.hold("City/SF", 5, 10)
    other_id = spec.hold("City/LA", 5, 11)
    first = receiver.next()
    for time_ns in range(12, 20):
        spec.say(changed(document("City/SF", time_ns), target_id), marker(time_ns))
    spec.say(changed(document("City/LA", 20), other_id), marker(20))
    receiver.unblock()

    seen = [first, receiver.next()]
    while seen[-1].cut.read_time_ns < 20:
        seen.append(receiver.next())

    assert len(seen) <= 3
    assert set().union(*(change.documents for change in seen)) == {"City/SF", "City/LA"}
    sf = seen[-1].cut.document("City/SF")
    assert sf is not None
    assert sf.update_time_ns == 19


def test_a_slow_receiver_keeps_nobody_waiting(spec: HubSpec) -> None:
    slow, quick = Receiver(), Receiver()
    slow.block()
    spec.hub.subscribe(slow)
    spec.hub.subscribe(quick)

    spec.hold("City/SF", 5, 10)
    slow.next()

    assert quick.next().documents == {"City/SF"}
    spec.say(marker(11))
    assert quick.next().cut.read_time_ns == 11
    slow.unblock()


def test_a_receiver_that_raises_is_counted_logged_and_told_again(
    spec: HubSpec, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()

    def fail(change: CutChange) -> None:
        receiver(change)
        raise ValueError("broken receiver")

    bad = spec.hub.subscribe(fail)
    for time_ns in (10, 11):
        spec.say(marker(time_ns))
        receiver.next()
    spec.hub.stop()

    assert bad.errors == 2
    assert isinstance(bad.last_error, ValueError)
    assert "broken receiver" in caplog.text


def test_errors_of_a_closed_subscription_stay_counted(spec: HubSpec) -> None:
    receiver = Receiver()

    def fail(change: CutChange) -> None:
        receiver(change)
        subscription.close()
        raise ValueError("broken receiver")

    subscription = spec.hub.subscribe(fail)
    spec.say(marker(10))
    receiver.next()
    spec.hub.stop()
    subscription.join()

    assert spec.hub.statistics().callback_errors == 1


def test_a_subscription_can_be_closed_from_inside_its_callback(spec: HubSpec) -> None:
    receiver, witness = Receiver(), Receiver()

    def once(change: CutChange) -> None:
        subscription.close()
        receiver(change)

    subscription = spec.hub.subscribe(once)
    spec.hub.subscribe(witness)
    for time_ns in (10, 11, 12):
        spec.say(marker(time_ns))
        witness.next()
    receiver.next()
    subscription.join()

    assert len(receiver.changes) == 1


def test_the_hub_can_be_stopped_from_inside_a_callback(spec: HubSpec) -> None:
    receiver = Receiver()

    def stop(change: CutChange) -> None:
        spec.hub.stop()
        receiver(change)

    subscription = spec.hub.subscribe(stop)
    spec.say(marker(10))

    receiver.next()
    subscription.join()
    assert subscription.errors == 0


def test_stopping_waits_for_the_threads_of_closed_subscriptions(
    spec: HubSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, waited_for = threading.Event(), threading.Event()

    def dawdle(change: CutChange) -> None:
        entered.set()
        assert waited_for.wait(TIMEOUT_S)

    subscription = spec.hub.subscribe(dawdle)
    spec.say(marker(10))
    assert entered.wait(TIMEOUT_S)
    subscription.close()
    join = subscription.join

    def join_it() -> None:
        waited_for.set()
        join()

    monkeypatch.setattr(subscription, "join", join_it)
    spec.hub.stop()
    assert waited_for.is_set()
    assert not subscription.alive
    assert subscription.errors == 0


def test_a_callback_may_listen_and_release(spec: HubSpec) -> None:
    receiver = Receiver()

    def follow(change: CutChange) -> None:
        if "City/SF" in change.documents:
            spec.hub.listen(["City/LA"])
            spec.hub.release(["City/SF"])
        receiver(change)

    spec.hub.subscribe(follow)
    first = spec.hold("City/SF", 5, 10)
    receiver.next()

    addition, removal = spec.sent.take(2)
    assert addition.add_target.documents.documents[0].endswith("/City/LA")
    assert removal.remove_target == first


def test_who_subscribes_before_the_start_is_told() -> None:
    spec = HubSpec(started=False)
    receiver = Receiver()
    spec.hub.subscribe(receiver)

    spec.start()
    spec.say(marker(10))

    assert receiver.next().cut.read_time_ns == 10
    spec.hub.stop()


# What is refused.


def test_a_refused_target_is_reported_and_all_others_go_on(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    good, bad = spec.listen("City/SF", CITIES)
    spec.say(current(good), marker(10))
    receiver.next()

    spec.say(removed(bad, code=9, message="needs an index"))

    change = receiver.next()
    assert change.rejected.keys() == {CITIES}
    assert "needs an index" in str(change.rejected[CITIES])
    assert change.rejected[CITIES].target == CITIES
    assert change.cut.document("City/SF") is not None
    assert spec.hub.statistics().rejected == 1


def test_a_held_target_that_is_refused_is_held_no_more(spec: HubSpec) -> None:
    target_id = spec.hold("City/SF", 5, 10)
    spec.hold("City/LA", 6, 11)

    spec.say(removed(target_id, code=7, message="no"))

    assert spec.hub.cut.document("City/SF") is None
    assert spec.hub.cut.document("City/LA") is not None
    assert spec.hub.cut.read_time_ns == 11


def test_a_refused_target_is_tried_again_and_heals(spec: HubSpec) -> None:
    receiver = Receiver()
    target_id = spec.hold("City/SF", 5, 10)
    spec.hub.subscribe(receiver)
    spec.say(removed(target_id, code=7, message="no"))
    receiver.next()

    spec.pass_time(61)
    (addition,) = spec.sent.additions(1)
    assert addition.target_id != target_id
    spec.say(
        changed(document("City/SF", 5), addition.target_id),
        current(addition.target_id),
        marker(12),
    )

    change = receiver.next()
    assert change.documents == {"City/SF"}
    assert not change.rejected
    assert spec.hub.statistics().rejected == 0


def test_what_went_while_a_query_was_refused_is_told_when_it_heals(spec: HubSpec) -> None:
    (target_id,) = spec.listen(CITIES)
    spec.say(
        changed(document("City/SF", 5), target_id),
        changed(document("City/LA", 5), target_id),
        current(target_id),
        marker(10),
    )
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    spec.say(removed(target_id, code=7, message="no"))
    receiver.next()
    spec.pass_time(61)
    (addition,) = spec.sent.additions(1)
    fresh_id = addition.target_id

    spec.say(changed(document("City/LA", 5), fresh_id), current(fresh_id), marker(12))

    change = receiver.next()
    assert change.queries == {CITIES: {"City/SF", "City/LA"}}
    assert [s.id for s in change.cut.query(CITIES) or []] == ["LA"]


def test_a_target_that_stays_refused_is_reported_once(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    (target_id,) = spec.listen("City/SF")
    spec.say(removed(target_id, code=7, message="no"))
    receiver.next()

    for _ in range(3):
        spec.pass_time(61)
        (addition,) = spec.sent.additions(1)
        spec.say(removed(addition.target_id, code=7, message="no"))
    spec.say(marker(12))

    assert not receiver.next().rejected


def test_who_listens_to_a_refused_target_has_it_tried_and_is_told(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    (target_id,) = spec.listen("City/SF")
    spec.say(removed(target_id, code=7, message="no"))
    receiver.next()

    spec.hub.listen(["City/SF"])
    (addition,) = spec.sent.additions(1)
    spec.say(removed(addition.target_id, code=7, message="no"))

    assert receiver.next().rejected.keys() == {"City/SF"}


def test_a_rejection_that_healed_before_it_was_delivered_is_not(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    receiver.block()
    spec.say(marker(9))
    receiver.next()
    (target_id,) = spec.listen("City/SF")
    spec.say(removed(target_id, code=7, message="no"))
    spec.pass_time(61)
    (addition,) = spec.sent.additions(1)
    spec.say(current(addition.target_id), marker(12))
    receiver.unblock()

    change = receiver.next()

    assert not change.rejected
    assert change.documents == {"City/SF"}


def test_a_released_target_is_not_tried_again(spec: HubSpec) -> None:
    (target_id,) = spec.listen("City/SF")
    spec.say(removed(target_id, code=7, message="no"))
    spec.hub.release(["City/SF"])

    spec.pass_time(61)

    spec.sent.take(0)
    assert spec.hub.statistics().rejected == 0


def test_a_refused_stream_rejects_all_targets(spec: HubSpec) -> None:
    receiver = Receiver()
    spec.hold("City/SF", 5, 10)
    spec.listen(CITIES)
    spec.hub.subscribe(receiver)
    spec.hub.closed()

    spec.hub.refused("PERMISSION_DENIED: no")
    assert receiver.next().rejected.keys() == {"City/SF", CITIES}
    assert spec.hub.cut.document("City/SF") is None

    sent = spec.stream.open()
    additions = sent.additions(2)
    assert not any(addition.resume_token for addition in additions)
    spec.say(current(*(addition.target_id for addition in additions)), marker(20))
    change = receiver.next()
    assert change.documents == {"City/SF"}
    assert change.queries == {CITIES: set()}


# What is mended.


def test_a_mismatch_is_mended_at_once(spec: HubSpec) -> None:
    (target_id,) = spec.listen(CITIES)
    spec.say(current(target_id), marker(10), existence_filter(target_id, 3))

    removal, addition = spec.sent.take(2)

    assert removal.remove_target == target_id
    assert addition.add_target.target_id > target_id
    assert spec.hub.statistics().mismatches == 1


def test_mismatches_in_a_row_are_mended_more_and_more_slowly(spec: HubSpec) -> None:
    (target_id,) = spec.listen(CITIES)
    spec.say(current(target_id), marker(10), existence_filter(target_id, 3))
    _, request = spec.sent.take(2)
    for delay_s in (1.0, 1.5, 2.25):
        spec.say(existence_filter(request.add_target.target_id, 3))
        spec.sent.take(1)
        spec.pass_time(delay_s - 0.1)
        spec.sent.take(0)
        spec.pass_time(0.2)
        (request,) = spec.sent.take(1)


def test_a_target_that_does_not_catch_up_does_not_stop_all_others_for_ever(
    spec: HubSpec,
) -> None:
    receiver = Receiver()
    other = spec.hold("City/SF", 5, 10)
    (target_id,) = spec.listen(CITIES)
    spec.say(current(target_id), marker(11))
    spec.hub.subscribe(receiver)
    spec.say(reset(target_id), changed(document("City/SF", 12), other), marker(13))
    assert spec.hub.cut.read_time_ns == 11

    spec.clock.advance(61)
    spec.say(marker(14))
    assert receiver.next().rejected.keys() == {CITIES}
    spec.say(marker(15))

    assert receiver.next().documents == {"City/SF"}
    assert spec.hub.cut.query(CITIES) is None
    spec.say(current(target_id), marker(16))
    assert receiver.next().queries == {CITIES: set()}


# Refreshing, probing, verifying.


def _probe(spec: HubSpec) -> int:
    (addition,) = spec.sent.additions(1)
    assert addition.documents.documents[0].endswith(PROBE_PATH)
    return int(addition.target_id)


def test_a_refresh_is_a_probe_that_is_removed_when_it_is_answered(spec: HubSpec) -> None:
    spec.hub.refresh()
    target_id = _probe(spec)
    assert spec.stream.is_demanded()

    spec.say(current(target_id))

    (removal,) = spec.sent.take(1)
    assert removal.remove_target == target_id
    assert not spec.stream.is_demanded()
    spec.say(marker(10))
    assert spec.hub.cut.read_time_ns == 10
    assert spec.hub.cut.document(PROBE_PATH) is None


def test_refreshes_at_the_same_time_share_a_probe_but_not_an_older_one(spec: HubSpec) -> None:
    spec.hub.refresh()
    first = _probe(spec)
    spec.hub.refresh()
    spec.hub.refresh()
    spec.sent.take(0)

    spec.say(current(first))
    removal, addition = spec.sent.take(2)
    assert removal.remove_target == first

    spec.say(current(addition.add_target.target_id))
    spec.sent.take(1)
    assert not spec.stream.is_demanded()


def test_a_refresh_outlives_its_stream(spec: HubSpec) -> None:
    spec.hub.refresh()
    _probe(spec)
    spec.hub.closed()

    (addition,) = spec.stream.open().additions(1)

    assert addition.documents.documents[0].endswith(PROBE_PATH)


def test_a_refused_probe_is_an_answer(spec: HubSpec) -> None:
    spec.hub.refresh()
    spec.say(removed(_probe(spec), code=7, message="no"))

    assert not spec.stream.is_demanded()
    assert spec.hub.statistics().rejected == 0


def test_the_probe_does_not_disturb_who_listens_to_the_same_document(spec: HubSpec) -> None:
    target_id = spec.hold(PROBE_PATH, 5, 10)
    spec.hub.refresh()
    probe_id = _probe(spec)
    spec.say(current(probe_id))
    spec.sent.take(1)

    spec.say(changed(document(PROBE_PATH, 11), target_id), marker(12))

    found = spec.hub.cut.document(PROBE_PATH)
    assert found is not None
    assert found.update_time_ns == 11


# One process.


def test_a_hub_is_started_once(spec: HubSpec) -> None:
    with pytest.raises(ListenError, match="started before"):
        spec.hub.start()


def test_a_hub_does_not_work_in_a_forked_process(
    spec: HubSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ListenError, match="after the fork"):
            spec.hub.listen(["City/SF"])
        with pytest.raises(ListenError, match="after the fork"):
            spec.hub.subscribe(Receiver())
        spec.hub.stop()


def test_statistics_tell_what_happened(spec: HubSpec) -> None:
    spec.hold("City/SF", 5, 10)

    found = spec.hub.statistics()

    assert found.streams_opened == 1
    assert found.messages == 3
    assert found.cuts == 1
    assert found.targets == 1
