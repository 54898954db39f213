"""Targets are compared with what is stored: which went wrong, and at what price."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_boiler.errors import QueryError, UnavailableError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen import verifier
from flask_boiler.ground.values import QueryTarget
from tests.scripted_firestore.messages import (
    changed,
    current,
    deleted,
    document,
    marker,
    name,
    removed,
    reset,
)
from tests.unit.firestore.listen.stage import HubSpec, collection

CITIES = collection("City")


def _verifying() -> HubSpec:
    spec = HubSpec(verify_targets=True)
    spec.connection.update_times_ns["City/SF"] = 7
    return spec


def test_a_target_whose_commit_was_missed_is_listened_to_again() -> None:
    spec = _verifying()
    target_id = spec.hold("City/SF", 5, 10)
    spec.pass_time(0.1)
    spec.sent.take(0)

    spec.pass_time(0.4)

    removal, addition = spec.sent.take(2)
    assert removal.remove_target == target_id
    assert not addition.add_target.resume_token
    fresh_id = addition.add_target.target_id
    assert spec.is_doubtful()
    spec.say(changed(document("City/SF", 7), fresh_id), current(fresh_id), marker(11))
    assert spec.is_doubtful()
    spec.pass_time(0.1)
    assert not spec.is_doubtful()
    spec.hub.stop()


def test_a_commit_that_was_only_under_way_is_not_missed() -> None:
    spec = _verifying()
    target_id = spec.hold("City/SF", 5, 10)
    spec.pass_time(0.1)
    spec.say(changed(document("City/SF", 7), target_id))

    spec.pass_time(0.4)

    spec.sent.take(0)
    spec.hub.stop()


def test_a_query_whose_commit_was_missed_is_listened_to_again() -> None:
    spec = _verifying()
    (target_id,) = spec.listen(CITIES)
    spec.say(current(target_id), marker(10))
    spec.pass_time(0.1)

    spec.pass_time(0.4)

    assert spec.sent.take(2)[0].remove_target == target_id
    spec.hub.stop()


def test_targets_are_verified_again_on_every_stream() -> None:
    spec = _verifying()
    target_id = spec.hold("City/SF", 7, 10)
    spec.pass_time(0.1)
    spec.hub.closed()
    spec.connection.update_times_ns["City/SF"] = 17
    (addition,) = spec.stream.open().additions(1)
    assert addition.target_id != target_id
    spec.say(current(addition.target_id), marker(20))
    spec.pass_time(0.1)

    spec.pass_time(0.4)

    assert len(spec.connection.gets) == 2


def test_what_cannot_be_verified_now_is_verified_later() -> None:
    spec = _verifying()
    spec.connection.failures.append(UnavailableError("not now"))
    target_id = spec.hold("City/SF", 5, 10)
    spec.pass_time(0.1)
    assert spec.is_doubtful()

    spec.pass_time(1.1)
    spec.pass_time(0.4)

    assert spec.sent.take(2)[0].remove_target == target_id
    spec.hub.stop()


def test_nobody_waits_long_for_a_verification() -> None:
    spec = _verifying()
    target_ids = spec.listen("City/SF", CITIES)
    spec.say(*map(current, target_ids), marker(10))
    spec.pass_time(0.1)

    assert len(spec.connection.patience_s) == 2
    assert max(spec.connection.patience_s) <= 5
    spec.hub.stop()


def test_an_unforeseen_error_while_verifying_leaves_no_doubt_and_holds_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = _verifying()
    spec.connection.failures.append(ZeroDivisionError("a bug"))
    spec.hold("City/SF", 5, 10)
    (refused_id,) = spec.listen("City/LA")
    spec.say(removed(refused_id, code=7, message="no"))

    # The server is asked again for what it refused, in the same breath.
    spec.pass_time(61)

    assert "a bug" in caplog.text
    assert not spec.is_doubtful()
    assert spec.sent.additions(1)[0].documents.documents[0].endswith("City/LA")
    assert len(spec.stream.checked) == 1
    spec.hub.stop()


def test_what_cannot_be_verified_at_all_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    spec = _verifying()
    spec.connection.failures.append(QueryError("never"))
    spec.hold("City/SF", 5, 10)
    spec.pass_time(0.1)

    assert not spec.is_doubtful()
    assert "cannot be verified" in caplog.text
    spec.hub.stop()


class TestManyDocuments:
    """A large result is verified in pages, between which everything else goes on."""

    @pytest.fixture
    def verifying(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpec]:
        monkeypatch.setattr(verifier, "_PAGE_SIZE", 3)
        # A pause after each page.
        monkeypatch.setattr(verifier, "_TURN_S", 0.0)
        made = HubSpec(verify_targets=True)
        made.connection.update_times_ns = {f"City/{n}": 7 for n in range(8)}
        yield made
        made.hub.stop()

    def _hold_all(self, spec: HubSpec, **known: int) -> int:
        (target_id,) = spec.listen(CITIES)
        times = {f"City/{n}": 7 for n in range(8)} | {f"City/{n[1:]}": t for n, t in known.items()}
        spec.say(*(changed(document(path, at), target_id) for path, at in times.items() if at))
        spec.say(current(target_id), marker(10))
        return target_id

    def test_it_is_read_page_by_page_to_its_end(self, verifying: HubSpec) -> None:
        self._hold_all(verifying)
        for pages in (1, 2, 3):
            assert verifying.is_doubtful()
            verifying.pass_time(0.1)
            assert len(verifying.connection.queries) == pages

        assert not verifying.is_doubtful()
        verifying.sent.take(0)

    @pytest.mark.parametrize("n", [0, 4, 7])
    def test_a_commit_that_was_missed_is_found_on_any_page(
        self, verifying: HubSpec, n: int
    ) -> None:
        target_id = self._hold_all(verifying, **{f"_{n}": 5})
        verifying.pass_time(0.1)
        verifying.pass_time(0.1)
        verifying.pass_time(0.1)
        verifying.sent.take(0)

        verifying.pass_time(0.4)

        assert verifying.sent.take(2)[0].remove_target == target_id

    @pytest.mark.parametrize("at", [0, 7])
    def test_a_document_that_came_or_went_unheard_is_found(
        self, verifying: HubSpec, at: int
    ) -> None:
        target_id = self._hold_all(verifying, _1=0)
        if at:
            del verifying.connection.update_times_ns["City/2"]
        for _ in range(3):
            verifying.pass_time(0.1)

        verifying.pass_time(0.4)

        assert verifying.sent.take(2)[0].remove_target == target_id

    def test_what_changes_between_the_pages_was_not_missed(self, verifying: HubSpec) -> None:
        target_id = self._hold_all(verifying)
        verifying.pass_time(0.1)
        stored = verifying.connection.update_times_ns
        # Behind what is read already: a new one, one that changed, one that went.
        stored["City/00"], stored["City/1"] = 11, 12
        del stored["City/2"]
        verifying.say(
            changed(document("City/00", 11), target_id),
            changed(document("City/1", 12), target_id),
            deleted(name("City/2"), target_id),
            marker(13),
        )
        verifying.pass_time(0.1)
        verifying.pass_time(0.1)

        assert not verifying.is_doubtful()
        verifying.pass_time(0.4)
        verifying.sent.take(0)

    def test_what_was_read_is_kept_while_the_server_is_away(self, verifying: HubSpec) -> None:
        self._hold_all(verifying)
        verifying.pass_time(0.1)
        verifying.connection.failures.append(UnavailableError("not now"))
        verifying.pass_time(0.1)
        verifying.pass_time(0.1)
        assert len(verifying.connection.queries) == 2

        verifying.pass_time(1.0)

        assert verifying.connection.queries[1] == verifying.connection.queries[2]
        verifying.pass_time(0.1)
        assert not verifying.is_doubtful()
        assert len(verifying.connection.queries) == 4

    def test_it_is_given_up_when_nobody_listens(self, verifying: HubSpec) -> None:
        self._hold_all(verifying)
        verifying.pass_time(0.1)

        verifying.hub.release([CITIES])
        verifying.pass_time(0.1)

        assert not verifying.is_doubtful()
        assert len(verifying.connection.queries) == 1

    def test_it_begins_anew_when_the_target_does(self, verifying: HubSpec) -> None:
        self._hold_all(verifying)
        verifying.pass_time(0.1)
        verifying.hub.closed()
        (addition,) = verifying.stream.open().additions(1)
        for n in range(8):
            verifying.say(changed(document(f"City/{n}", 7), addition.target_id))
        verifying.say(current(addition.target_id), marker(20))

        for _ in range(3):
            verifying.pass_time(0.1)

        assert not verifying.is_doubtful()
        first, *others = verifying.connection.queries
        assert first == others[0]
        assert len(others) == 3

    def test_others_have_their_turn_between_the_pages(self, verifying: HubSpec) -> None:
        self._hold_all(verifying)
        verifying.pass_time(0.1)
        done: list[str] = []
        verifying.hub.do_later("other", 0.05, lambda: done.append("other"))

        verifying.pass_time(0.1)

        assert done
        assert verifying.is_doubtful()


def test_a_limited_result_is_read_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_PAGE_SIZE", 3)
    spec = HubSpec(verify_targets=True)
    spec.connection.update_times_ns = {f"City/{n}": 7 for n in range(8)}
    query = protocol.StructuredQuery()
    query.from_.add(collection_id="City")
    query.limit.value = 5
    query.offset = 1
    (target_id,) = spec.listen(QueryTarget("", query.SerializeToString()))
    spec.say(current(target_id), marker(10))
    spec.pass_time(0.1)

    asked = [(query.limit.value, query.offset) for query in spec.connection.queries]
    assert asked == [(3, 1), (2, 0)]
    spec.hub.stop()


def test_a_server_that_misses_nothing_is_not_verified() -> None:
    spec = _verifying()
    spec.hub.greeted(faultless=True)
    spec.hold("City/SF", 5, 10)
    assert not spec.is_doubtful()
    spec.pass_time(0.1)
    assert spec.connection.gets == []

    # Another may answer at the same address.
    spec.hub.closed()
    (addition,) = spec.stream.open().additions(1)
    spec.hub.greeted(faultless=False)
    spec.say(current(addition.target_id), marker(20))
    assert spec.is_doubtful()
    spec.hub.stop()


def test_a_target_that_starts_over_before_it_is_compared_is_compared_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifier, "_PAGE_SIZE", 1)
    monkeypatch.setattr(verifier, "_TURN_S", 0.0)
    spec = HubSpec(verify_targets=True)
    spec.connection.update_times_ns = {"City/LA": 7, "City/SF": 7}
    (target_id,) = spec.listen(CITIES)
    spec.say(current(target_id), marker(10), reset(target_id))
    spec.pass_time(0.1)
    spec.say(changed(document("City/LA", 7), target_id), current(target_id), marker(11))
    spec.pass_time(0.1)
    spec.pass_time(0.1)

    spec.pass_time(0.4)

    assert spec.sent.take(2)[0].remove_target == target_id
    spec.hub.stop()
