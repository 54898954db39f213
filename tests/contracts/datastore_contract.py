"""What a ``Datastore`` promises."""

from __future__ import annotations

from typing import Any

import pytest

from flask_boiler.errors import ConflictError, DocumentNotFoundError, ValidationError
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import FieldFilter, Order, Precondition, QuerySpec, Write

__all__ = ["DatastoreContract"]


def fields(datastore: Datastore, path: str) -> dict[str, Any]:
    return datastore.get([path])[path].to_dict()


class DatastoreContract:
    """Needs the fixture ``datastore``, an empty one."""

    def test_what_is_written_is_read(self, datastore: Datastore) -> None:
        result = datastore.commit([Write("set", "a/1", {"n": 1}), Write("set", "b/1", {"n": 2})])
        found = datastore.get(["a/1", "b/1", "a/none"])
        assert [found[path].to_dict() for path in found] == [{"n": 1}, {"n": 2}, {}]
        assert [found[path].exists for path in ("a/1", "a/none")] == [True, False]
        assert len(result.update_times_ns) == 2
        assert found["a/1"].update_time_ns == result.update_times_ns[0]
        assert found["a/none"].update_time_ns == 0
        assert found["a/none"].read_time_ns >= result.commit_time_ns

    def test_a_set_replaces_and_an_update_touches_what_it_names(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", "a/1", {"n": 1, "m": 1, "k": 1})])
        datastore.commit([Write("update", "a/1", {"n": 2}, ("n", "m"))])
        assert fields(datastore, "a/1") == {"n": 2, "k": 1}
        datastore.commit([Write("set", "a/1", {"x": 1})])
        assert fields(datastore, "a/1") == {"x": 1}
        datastore.commit([Write("delete", "a/1")])
        assert not datastore.get(["a/1"])["a/1"].exists

    def test_a_mask_shows_no_more_than_it_names(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", "a/1", {"n": 1, "m": 1})])
        assert datastore.get(["a/1"], mask=["m"])["a/1"].to_dict() == {"m": 1}

    def test_what_is_encoded_already_is_written_as_it_is(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", "a/1", datastore.codec.encode({"n": [1, None]}))])
        assert fields(datastore, "a/1") == {"n": [1, None]}

    @pytest.mark.parametrize(
        ("required", "error"),
        [
            (Precondition(exists=False), ConflictError),
            (Precondition(update_time_ns=1000), ConflictError),
        ],
    )
    def test_all_or_nothing(
        self, datastore: Datastore, required: Precondition, error: type[Exception]
    ) -> None:
        datastore.commit([Write("set", "a/1", {"n": 1})])
        with pytest.raises(error):
            datastore.commit(
                [Write("set", "b/1", {"n": 1}), Write("set", "a/1", {"n": 2}, (), required)]
            )
        assert not datastore.get(["b/1"])["b/1"].exists
        assert fields(datastore, "a/1") == {"n": 1}

    def test_what_must_be_there_and_is_not(self, datastore: Datastore) -> None:
        with pytest.raises(DocumentNotFoundError):
            datastore.commit([Write("update", "a/1", {"n": 1}, ("n",), Precondition(exists=True))])

    def test_what_is_as_it_was_seen_is_written(self, datastore: Datastore) -> None:
        seen_ns = datastore.commit([Write("set", "a/1", {"n": 1})]).update_times_ns[0]
        held = Precondition(update_time_ns=seen_ns)
        newer_ns = datastore.commit(
            [Write("set", "a/1", {"n": 2}, precondition=held)]
        ).update_times_ns[0]
        assert newer_ns > seen_ns
        with pytest.raises(ConflictError):
            datastore.commit([Write("delete", "a/1", precondition=held)])
        verified = Precondition(update_time_ns=newer_ns)
        datastore.commit([Write("verify", "a/1", precondition=verified)])
        assert fields(datastore, "a/1") == {"n": 2}

    def test_what_is_the_same_keeps_its_time(self, datastore: Datastore) -> None:
        first = datastore.commit([Write("set", "a/1", {"n": 1})])
        again = datastore.commit([Write("set", "a/1", {"n": 1})])
        assert again.update_times_ns == first.update_times_ns
        assert again.commit_time_ns >= first.commit_time_ns

    def test_what_cannot_be_stored_is_refused(self, datastore: Datastore) -> None:
        with pytest.raises(ValidationError):
            datastore.commit([Write("set", "a/1", {"n": object()})])

    def test_a_query_finds_in_its_order(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", f"a/{n}", {"n": n % 3, "odd": n % 2}) for n in range(6)])
        datastore.commit([Write("set", "b/1", {"n": 1, "odd": 1})])
        odd = QuerySpec("a", where=FieldFilter("odd", "==", 1), orders=(Order("n", True),))
        found = list(datastore.run_query(compile_query(odd, datastore.codec)))
        assert [snapshot.path for snapshot in found] == ["a/5", "a/1", "a/3"]
        last = odd.but(limit=2, limit_to_last=True)
        assert [s.path for s in datastore.run_query(compile_query(last, datastore.codec))] == [
            *("a/1", "a/3")
        ]

    def test_aggregations(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", f"a/{n}", {"n": n}) for n in range(4)])
        target = compile_query(QuerySpec("a"), datastore.codec)
        asked: dict[str, tuple[str, str | None]] = {
            "all": ("count", None),
            "sum": ("sum", "n"),
            "mean": ("avg", "n"),
        }
        assert datastore.aggregate(target, asked) == {"all": 4, "sum": 6, "mean": 1.5}

    def test_a_transaction_that_read_what_changed_loses(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", "a/1", {"n": 1})])
        token = datastore.begin(read_only=True)
        assert datastore.get(["a/1"], transaction=token)["a/1"].to_dict() == {"n": 1}
        datastore.commit([Write("set", "a/1", {"n": 2})])
        # What only reads sees one time, however late it looks.
        target = compile_query(QuerySpec("a"), datastore.codec)
        [seen] = datastore.run_query(target, transaction=token)
        assert seen.to_dict() == {"n": 1}
        datastore.rollback(token)

    def test_a_transaction_that_read_what_is_so_still_is_done(self, datastore: Datastore) -> None:
        datastore.commit([Write("set", "a/1", {"n": 1})])
        token = datastore.begin()
        assert datastore.get(["a/1"], transaction=token)["a/1"].to_dict() == {"n": 1}
        datastore.commit([Write("set", "a/1", {"n": 2})], transaction=token)
        assert fields(datastore, "a/1") == {"n": 2}

    def test_a_transaction_that_is_given_up_writes_nothing(self, datastore: Datastore) -> None:
        token = datastore.begin()
        datastore.get(["a/1"], transaction=token)
        datastore.rollback(token)
        datastore.commit([Write("set", "a/1", {"n": 1})])
        assert fields(datastore, "a/1") == {"n": 1}

    def test_the_past_can_be_read(self, datastore: Datastore) -> None:
        then_ns = datastore.commit([Write("set", "a/1", {"n": 1})]).commit_time_ns
        datastore.commit([Write("set", "a/1", {"n": 2})])
        past = datastore.begin(read_only=True, read_time_ns=then_ns)
        assert datastore.get(["a/1"], transaction=past)["a/1"].to_dict() == {"n": 1}
        assert datastore.get(["a/1"], read_time_ns=then_ns)["a/1"].to_dict() == {"n": 1}

    def test_credentials_can_be_asked_for_anew(self, datastore: Datastore) -> None:
        datastore.refresh_credentials()
        assert datastore.database.startswith("projects/")
