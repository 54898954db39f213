"""A shared view and its rooms: who is told what, and when; the clock is the test's."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any, ClassVar

import pytest

from flask_boiler import attrs
from flask_boiler.engine.sink import Computed, PublishOutcome
from flask_boiler.errors import (
    BoilerError,
    DocumentNotFoundError,
    MaterializationError,
    UnavailableError,
)
from flask_boiler.view.socketio.options import SubscriptionOptions, WsLimits
from flask_boiler.view.socketio.rooms import Message
from flask_boiler.view.socketio.shared_view import SharedView
from flask_boiler.viewmodels.view_model import ViewModel

FULL = SubscriptionOptions()
PATCHES = SubscriptionOptions(updates="json-patch")


class Board(ViewModel):
    lines = attrs.bproperty()
    note = attrs.bproperty()


class Announced(Board):
    """Publishes what has no note."""

    calls: ClassVar[list[int]] = []

    def notify(self) -> None:
        self.calls.append(len(self.lines))
        if self.note == "fail":
            raise ValueError("no bell")
        if self.note is None:
            super().notify()


class Clients:
    """Keeps what each client was told; a client in ``busy`` does not read."""

    def __init__(self) -> None:
        self.told: dict[str, list[Message]] = {}
        self.warned: list[tuple[str, int]] = []
        self.busy: set[str] = set()
        self.failures: list[Exception] = []
        self.sent = 0

    def update(self, message: Message, sids: list[str]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.sent += 1
        for sid in sids:
            self.told.setdefault(sid, []).append(message)

    def warn(self, error: BoilerError, subscription_id: str, sids: list[str]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.warned.extend((sid, error.http_status) for sid in sids)

    def is_ready(self, sid: str) -> bool:
        return sid not in self.busy


class Stage:
    """A shared view whose computations and deliveries are the test's to make."""

    def __init__(self, **limits: Any) -> None:
        self.clients = Clients()
        self.value: dict[str, Any] | Exception = {"lines": ["a"] * 50, "note": None}
        context: Any = type("Context", (), {"activated": staticmethod(nullcontext)})
        self.view = SharedView(context, self._build, WsLimits(**limits), self.clients, lambda: None)
        self.view_cls: type[ViewModel] = Board
        self.outcomes: list[PublishOutcome] = []
        self.now = 100.0
        self.again: float | None = None

    def _build(self) -> ViewModel:
        if isinstance(self.value, Exception):
            raise self.value
        return self.view_cls(**self.value)

    def compute(self, at: int, **changes: Any) -> None:
        """Have the engine compute at a read time in microseconds, and deliver."""
        if changes:
            assert isinstance(self.value, dict)
            self.value = {**self.value, **changes}
        reader: Any = None
        computed = self.view.compute(reader)
        computed.read_time_ns = at * 1000 + 999
        live: Any = None
        self.view.submit(live, computed, self.outcomes.append)
        self.deliver()

    def deliver(self, after_s: float = 0.0) -> None:
        self.now += after_s
        self.again = self.view.deliver(self.now)

    def join(self, sid: str, options: SubscriptionOptions = FULL, **given: Any) -> Message:
        _, message = self.view.join(sid, options, given.get("answering"))
        return message

    def versions(self, sid: str) -> list[int]:
        return [message.meta["version"] for message in self.clients.told.get(sid, [])]


def test_a_change_is_told_to_all_at_once() -> None:
    stage = Stage()
    stage.compute(1_000)
    first = [stage.join(sid) for sid in "abc"]
    assert {m.meta["subscription_id"] for m in first} == {first[0].meta["subscription_id"]}
    assert [m.meta["version"] for m in first] == [1_000] * 3
    stage.compute(2_000, note="x")
    assert [stage.versions(sid) for sid in "abc"] == [[2_000]] * 3
    assert stage.clients.sent == 1
    assert stage.outcomes == [PublishOutcome(written=True)] * 2


def test_an_equal_value_is_told_to_nobody() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.compute(2_000)
    assert stage.versions("a") == []
    assert stage.outcomes[-1] == PublishOutcome(written=False)


def test_versions_increase_even_if_read_times_do_not() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    for note in range(3):
        stage.compute(1_000, note=note)
    assert stage.versions("a") == [1_001, 1_002, 1_003]


def test_who_asked_for_patches_gets_them_and_others_do_not() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.join("b", PATCHES)
    stage.compute(2_000, note="x")
    assert stage.clients.told["a"][0].body["note"] == "x"
    [patched] = stage.clients.told["b"]
    assert patched.body == [{"op": "replace", "path": "/note", "value": "x"}]
    assert patched.meta["updates"] == "json-patch"
    assert patched.meta["previous_version"] == 1_000


def test_a_patch_that_is_no_smaller_gives_way_to_the_value() -> None:
    stage = Stage()
    stage.value = {"lines": None, "note": 0}
    stage.compute(1_000)
    stage.join("b", PATCHES)
    stage.compute(2_000, note=1)
    assert stage.clients.told["b"][0].meta["updates"] == "full"


def test_a_merge_patch_that_cannot_say_null_gives_way_to_the_value() -> None:
    stage = Stage()
    stage.compute(1_000, note="x")
    stage.join("b", SubscriptionOptions(updates="merge-patch"))
    stage.compute(2_000, note="y")
    stage.compute(3_000, note=None)
    assert [m.meta["updates"] for m in stage.clients.told["b"]] == ["merge-patch", "full"]


def test_who_does_not_read_delays_nobody_and_gets_the_newest_state_later() -> None:
    stage = Stage()
    stage.compute(1_000)
    for sid in "ab":
        stage.join(sid, PATCHES)
    stage.clients.busy.add("b")
    for n in range(2, 12):
        stage.compute(n * 1_000, note=n)
    assert len(stage.versions("a")) == 10
    assert stage.versions("b") == []
    assert stage.again is not None
    stage.clients.busy.clear()
    stage.deliver()
    [patched] = stage.clients.told["b"]
    assert (patched.meta["previous_version"], patched.meta["version"]) == (1_000, 11_000)
    assert stage.again is None


def test_nothing_overtakes_an_acknowledgement() -> None:
    stage = Stage()
    stage.compute(1_000)
    release = threading.Event()
    answering = threading.Thread(target=release.wait)
    answering.start()
    try:
        stage.join("a", answering=answering)
        stage.compute(2_000, note="x")
        assert stage.versions("a") == []
        assert stage.again is not None
    finally:
        release.set()
        answering.join()
    stage.deliver()
    assert stage.versions("a") == [2_000]


def test_of_what_comes_too_often_the_last_state_wins() -> None:
    stage = Stage(min_interval_s=1.0)
    stage.compute(1_000)
    stage.join("a")
    stage.join("b", SubscriptionOptions(min_interval_s=5.0))
    for n in range(2, 6):
        stage.compute(n * 1_000, note=n)
    assert stage.versions("a") == stage.versions("b") == [2_000]
    assert stage.again == stage.now + 1.0
    stage.deliver(after_s=1.0)
    assert stage.versions("a") == [2_000, 5_000]
    assert stage.versions("b") == [2_000]
    stage.deliver(after_s=4.0)
    assert stage.versions("b") == [2_000, 5_000]


def test_who_comes_back_is_brought_up_to_date() -> None:
    stage = Stage(history=3)
    stage.compute(1_000)
    for n in range(2, 6):
        stage.compute(n * 1_000, note=n)
    back = [
        stage.join(str(held), SubscriptionOptions(updates="json-patch", version=held))
        for held in (5_000, 4_000, 1_000)
    ]
    assert [m.meta["updates"] for m in back] == ["none", "json-patch", "full"]
    assert [m.meta["version"] for m in back] == [5_000] * 3
    assert back[1].meta["previous_version"] == 4_000


def test_who_was_told_more_by_another_process_gets_a_later_version() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a", PATCHES)
    stage.compute(9_000)
    back = stage.join("b", SubscriptionOptions(updates="json-patch", version=7_000))
    assert (back.meta["updates"], back.meta["version"]) == ("full", 9_000)
    stage.deliver()
    assert stage.versions("a") == stage.versions("b") == []
    stage.compute(9_500, note="x")
    assert [m.meta["previous_version"] for m in stage.clients.told["a"]] == [1_000]
    assert [m.meta["previous_version"] for m in stage.clients.told["b"]] == [9_000]
    assert stage.versions("a") == stage.versions("b") == [9_500]


def test_the_history_is_bounded_in_bytes() -> None:
    stage = Stage(history_bytes=1_000)
    stage.compute(1_000)
    for n in range(2, 100):
        stage.compute(n * 1_000, note="x" * n)
    assert stage.view._history.size_bytes <= 1_000
    assert len(stage.view._history) < 10


def test_a_view_that_goes_is_told_once_and_told_anew_when_it_is_back() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a", PATCHES)
    value, stage.value = stage.value, DocumentNotFoundError("boards/a")
    stage.compute(2_000)
    stage.deliver()
    assert stage.clients.warned == [("a", 404)]
    with pytest.raises(DocumentNotFoundError):
        stage.join("b")
    stage.value = value
    stage.compute(3_000)
    [message] = stage.clients.told["a"]
    assert (message.meta["updates"], message.meta["version"]) == ("full", 3_000)


def test_a_failure_is_told_and_healed() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.view.fail(MaterializationError("Board.note raised", key="Board"))
    stage.deliver()
    assert stage.clients.warned == [("a", 500)]
    stage.compute(2_000)
    assert stage.versions("a") == [2_000]


def test_who_does_not_read_is_warned_when_it_reads_again() -> None:
    stage = Stage()
    stage.compute(1_000)
    for sid in "ab":
        stage.join(sid)
    stage.clients.busy.add("b")
    for _ in range(3):
        stage.view.fail(MaterializationError("Board.note raised", key="Board"))
        stage.deliver()
    assert stage.clients.warned == [("a", 500)] * 3
    assert stage.again is not None
    stage.clients.busy.clear()
    stage.deliver()
    assert stage.clients.warned == [("a", 500)] * 3 + [("b", 500)]
    assert stage.again is None


def test_who_reads_again_after_a_view_has_healed_is_told_the_value_alone() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.clients.busy.add("a")
    stage.view.fail(MaterializationError("Board.note raised", key="Board"))
    stage.deliver()
    stage.compute(2_000)
    stage.clients.busy.clear()
    stage.deliver()
    assert (stage.versions("a"), stage.clients.warned) == ([2_000], [])


def test_a_warning_that_could_not_be_sent_is_sent_again() -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.clients.failures.append(OSError("a client went in the middle of it"))
    stage.view.fail(MaterializationError("Board.note raised", key="Board"))
    stage.deliver()
    assert stage.clients.warned == []
    assert stage.again is not None
    stage.deliver(after_s=stage.again - stage.now)
    assert stage.clients.warned == [("a", 500)]


def test_what_could_not_be_sent_is_said_anew_under_another_version() -> None:
    stage = Stage()
    stage.compute(1_000)
    for sid in "ab":
        stage.join(sid)
    stage.clients.failures.append(OSError("a client went in the middle of it"))
    stage.compute(2_000, note="x")
    assert stage.again is not None
    stage.deliver(after_s=stage.again - stage.now)
    assert stage.versions("a") == stage.versions("b") == [2_001]
    stage.compute(3_000, note="y")
    assert stage.versions("a") == [2_001, 3_000]


def test_what_can_never_be_sent_is_tried_again_after_pauses_that_grow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    stage.compute(1_000)
    stage.join("a")
    stage.clients.failures.extend(OSError("nothing can be sent") for _ in range(12))
    stage.compute(2_000, note="x")
    pauses = []
    while stage.clients.failures:
        assert stage.again is not None
        pauses.append(stage.again - stage.now)
        # What is new meanwhile does not hasten it.
        stage.deliver()
        stage.deliver(after_s=stage.again - stage.now)
    assert pauses[0] > 0
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 10 * pauses[0]
    assert [record.exc_info is None for record in caplog.records] == [False] + [True] * 11
    assert stage.again is not None
    stage.deliver(after_s=stage.again - stage.now)
    assert len(stage.versions("a")) == 1
    stage.clients.failures.append(OSError("once more"))
    stage.compute(3_000, note="y")
    assert stage.again is not None
    assert stage.again - stage.now == pytest.approx(pauses[0])


def test_who_left_is_told_nothing() -> None:
    stage = Stage()
    stage.compute(1_000)
    room, _ = stage.view.join("a", FULL, None)
    stage.view.leave("a", room)
    stage.compute(2_000, note="x")
    assert stage.clients.sent == 0
    assert stage.view._rooms == {}


def test_what_is_not_delivered_any_more_counts_as_done() -> None:
    stage = Stage()
    live: Any = None
    stage.view.submit(live, Computed({"note": 1}), stage.outcomes.append)
    stage.view.drop()
    assert stage.outcomes == [PublishOutcome()]


def test_a_getter_that_misses_a_document_is_a_failure_and_not_a_view_that_is_gone() -> None:
    class Lacking(ViewModel):
        @attrs.computed
        def line(self) -> str:
            raise DocumentNotFoundError("secret/1")

    def build() -> ViewModel:
        return Lacking.new()

    context: Any = type("Context", (), {"activated": staticmethod(nullcontext)})
    view = SharedView(context, build, WsLimits(), Clients(), lambda: None)
    reader: Any = None
    with pytest.raises(DocumentNotFoundError) as missing:
        view.compute(reader)
    # The engine parks it.
    view.fail(missing.value)
    view.deliver(100.0)
    with pytest.raises(BoilerError) as told:
        view.await_first(0.0)
    assert told.value.http_status == 500


@pytest.fixture
def announced() -> Stage:
    stage = Stage()
    stage.view_cls = Announced
    Announced.calls.clear()
    return stage


def test_an_overridden_notify_is_called_for_each_new_value(announced: Stage) -> None:
    announced.compute(1, lines=[1])
    announced.join("ada")
    announced.compute(2)
    announced.compute(3, lines=[1, 2])
    assert Announced.calls == [1, 2]
    assert announced.clients.told["ada"][-1].body["lines"] == [1, 2]


def test_what_notify_does_not_publish_is_not_sent(announced: Stage) -> None:
    announced.compute(1, lines=[1])
    announced.join("ada")
    announced.compute(2, lines=[1, 2], note="draft")
    announced.compute(3)
    assert Announced.calls == [1, 2]
    assert "ada" not in announced.clients.told
    assert announced.view.as_of == 3, "who waits for this time is not kept waiting"
    assert announced.join("ben").body["lines"] == [1]
    announced.compute(4, lines=[1, 2], note=None)
    assert announced.clients.told["ada"][-1].body["lines"] == [1, 2]


def test_a_view_that_has_published_nothing_has_no_value_to_give(announced: Stage) -> None:
    announced.compute(1, note="draft")
    with pytest.raises(UnavailableError, match=r"Announced\.notify has not published"):
        announced.view.await_first(0)
    announced.compute(2, note=None)
    announced.view.await_first(0)
    announced.join("ada")


def test_what_notify_raises_is_its_views_and_named(announced: Stage) -> None:
    with pytest.raises(MaterializationError, match=r"Announced\.notify raised ValueError: no bell"):
        announced.compute(1, note="fail")
    announced.compute(2, note=None)
    announced.join("ada")
    assert len(Announced.calls) == 2
