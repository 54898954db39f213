"""The pytest plugin's fixtures on a real Firestore, in a test session of a user's own."""

import pytest

from flask_boiler.ports import LocalFirestore


@pytest.fixture(autouse=True)
def shared_emulator(firestore_emulator: LocalFirestore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner sessions use this session's emulator instead of one each."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)


def test_each_test_has_an_empty_project_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from flask_boiler.context import Context as CTX

        projects = set()

        @pytest.mark.parametrize("n", range(3))
        def test_project(boiler, firestore_emulator, n):
            assert not firestore_emulator.owned
            assert boiler.context.config.testing
            assert CTX.config.project == boiler.context.config.project
            projects.add(CTX.config.project)
            assert len(projects) == n + 1
            place = CTX.db.document("cities/SF")
            assert not place.get().exists
            place.set({"n": n})
            assert place.get().to_dict() == {"n": n}

        def test_nothing_is_left_configured():
            from flask_boiler.errors import ConfigurationError
            with pytest.raises(ConfigurationError):
                CTX.config
        """
    )
    pytester.runpytest("-W", "error").assert_outcomes(passed=4)


def test_settle_waits_for_what_was_committed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import threading

        def test_settle(boiler, settle):
            settle()
            settle(timeout_s=30.0)
            assert boiler.lag_s == 0.0

        def test_every_thread_is_gone():
            others = [t for t in threading.enumerate() if t is not threading.main_thread()]
            assert [t.name for t in others if "boiler" in t.name] == []
            for thread in others:  # gRPC's own end a moment after their channel is closed
                thread.join(30.0)
            assert [t.name for t in others if t.is_alive()] == []
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=2)
