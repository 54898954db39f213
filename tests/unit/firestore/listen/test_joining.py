"""New targets join in turns, so that those that come and go hold up nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripted_firestore.messages import changed, current, document, marker, removed, reset
from tests.unit.firestore.listen.stage import HubSpec, Receiver, collection

CITIES = collection("City")


@pytest.fixture
def spec() -> Iterator[HubSpec]:
    made = HubSpec()
    yield made
    made.hub.stop()


def test_while_a_marker_is_kept_back_new_targets_wait_for_it(spec: HubSpec) -> None:
    held_id = spec.hold("City/SF", 5, 10)
    (slow_id,) = spec.listen(CITIES)
    spec.clock.advance(0.2)

    spec.hub.listen(["City/LA"])
    spec.hub.listen(["City/NY"])
    spec.sent.take(0)
    spec.say(changed(document("City/SF", 11), held_id), marker(12))

    # Who was current has a cut, without waiting for who is not; and who waited is asked for.
    found = spec.hub.cut.document("City/SF")
    assert found is not None
    assert found.update_time_ns == 11
    assert not spec.hub.cut.holds(CITIES)
    assert len(spec.sent.additions(2)) == 2
    spec.say(current(slow_id), marker(13))
    assert spec.hub.cut.holds(CITIES)


def test_a_marker_that_is_held_back_lets_new_targets_join(spec: HubSpec) -> None:
    held_id = spec.hold("City/SF", 5, 10)
    spec.listen(CITIES)
    spec.clock.advance(0.2)
    spec.hub.listen(["City/LA"])
    spec.say(reset(held_id), marker(12))
    spec.sent.additions(1)


def test_no_target_waits_for_long(spec: HubSpec) -> None:
    spec.listen(CITIES)
    spec.clock.advance(0.2)
    spec.hub.listen(["City/LA"])
    spec.pass_time(1.0)
    spec.sent.take(0)
    spec.pass_time(1.0)
    spec.sent.additions(1)
    # Its own time begins.
    spec.clock.advance(0.2)
    spec.hub.listen(["City/NY"])
    spec.pass_time(1.0)
    spec.sent.take(0)
    spec.pass_time(1.0)
    spec.sent.additions(1)


def test_what_is_not_wanted_any_more_when_its_turn_comes_is_never_asked_for(spec: HubSpec) -> None:
    spec.listen(CITIES)
    spec.clock.advance(0.2)
    spec.hub.listen(["City/LA", "City/NY"])
    spec.hub.release(["City/LA"])
    spec.say(marker(10))
    (addition,) = spec.sent.additions(1)
    assert addition.documents.documents[0].endswith("City/NY")


def test_many_without_an_answer_have_others_wait(spec: HubSpec) -> None:
    ids = [spec.listen(f"City/{number}")[0] for number in range(100)]
    spec.hub.listen(["City/100"])
    spec.sent.take(0)
    spec.say(marker(10))
    spec.sent.take(0)
    spec.say(current(ids[0]), marker(11))
    spec.sent.additions(1)


def test_those_that_went_count_until_the_server_has_heard_of_it(spec: HubSpec) -> None:
    for number in range(100):
        (target_id,) = spec.listen(f"City/{number}")
        spec.hub.release([f"City/{number}"])
        spec.sent.take(1)
    spec.hub.listen(["City/100"])
    spec.say(marker(10))
    spec.sent.take(0)
    spec.say(removed(target_id), marker(11))
    spec.sent.additions(1)


def test_those_that_wait_are_asked_for_on_a_new_stream_and_refused_with_all_others(
    spec: HubSpec,
) -> None:
    spec.listen(CITIES)
    spec.clock.advance(0.2)
    spec.hub.listen(["City/LA"])
    receiver = Receiver()
    spec.hub.subscribe(receiver)
    spec.hub.closed()
    spec.hub.refused("not today")
    assert receiver.next().rejected.keys() == {CITIES, "City/LA"}
    assert len(spec.stream.open().additions(2)) == 2


class SlowServer:
    """Deals with one request at a time, and says a marker only when none is left."""

    def __init__(self, spec: HubSpec, held_id: int) -> None:
        self._spec = spec
        self._held_id = held_id
        self._requests: deque[Any] = deque()
        self._time_ns = 100

    def work(self, *, seconds: float) -> None:
        """Do as much as can be done in a while: a request takes a hundredth of a second."""
        for _ in range(round(seconds * 100)):
            self._requests.extend(self._spec.sent.take_all())
            if not self._requests:
                self._time_ns += 10
                change = changed(document("City/SF", self._time_ns), self._held_id)
                self._spec.say(change, marker(self._time_ns))
                continue
            request = self._requests.popleft()
            if request.add_target.target_id:
                self._spec.say(current(request.add_target.target_id))
            else:
                self._spec.say(removed(request.remove_target))


def test_targets_that_come_and_go_without_a_pause_do_not_starve_the_cuts(spec: HubSpec) -> None:
    held_id = spec.hold("City/SF", 5, 10)
    server = SlowServer(spec, held_id)
    before = spec.hub.statistics().cuts
    for number in range(2_000):
        # Twice as much is asked for as the server can do.
        targets = [f"City/{number}a", f"City/{number}b"]
        spec.hub.listen(targets)
        server.work(seconds=0.01)
        spec.hub.release(targets)
        spec.pass_time(0.01)

    # In the twenty seconds that this is.
    assert spec.hub.statistics().cuts - before > 40
