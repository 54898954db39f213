"""The pytest plugin's fixtures on a real Firestore, in a test session of a user's own."""

import pytest

from flask_boiler.ground.ports import LocalFirestore


@pytest.fixture(autouse=True)
def shared_emulator(firestore_emulator: LocalFirestore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner sessions use this session's emulator instead of one each."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)


def test_each_test_has_an_empty_project_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from flask_boiler import CTX

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
        from flask_boiler import DomainModel
        from flask_boiler import ProtocolBase, QueryMediator

        class City(DomainModel):
            pass

        class Cities(QueryMediator):
            Protocol = ProtocolBase

        def test_settle(boiler, settle):
            boiler.add(Cities(query=City.get_query()))
            with boiler:
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


APP = """
    import threading

    import pytest
    from flask import Flask

    from flask_boiler import attrs
    from flask_boiler import CTX
    from flask_boiler import DomainModel
    from flask_boiler.errors import ConfigurationError
    from flask_boiler import Boiler
    from flask_boiler import Store, reference
    from flask_boiler import QueryMediator
    from flask_boiler import ViewModel


    class City(DomainModel):
        city_name = attrs.bproperty()


    class CityStore(Store):
        city = reference(City)


    class CityView(ViewModel):
        store: CityStore

        class Meta:
            path = "cityView/{city.doc_id}"

        @attrs.computed
        def name(self):
            return self.store.city.city_name.upper()


    def create_app():
        app = Flask("cities")
        app.config["BOILER_PROJECT"] = "ours"
        boiler = Boiler(app)
        boiler.add(QueryMediator(CityView, query=City.get_query()))
        return app
"""


def test_an_app_factorys_own_boiler_is_the_one_that_is_waited_for(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        APP
        + """
    @pytest.fixture
    def boiler_app(boiler_config):
        return create_app()


    projects = set()


    @pytest.mark.parametrize("n", range(2))
    def test_a_city_has_a_view(boiler_app, boiler, settle, n):
        assert boiler is boiler_app.extensions["boiler"]
        assert boiler.context.project.startswith("test-")
        projects.add(boiler.context.project)
        assert len(projects) == n + 1
        with boiler:
            City.new(doc_id="SF", city_name="San Francisco").save()
            settle()
            assert CTX.db.document("cityView/SF").get().get("name") == "SAN FRANCISCO"


    def test_threads_of_the_test_are_in_its_context(boiler):
        found = []

        def work():
            City.new(doc_id="LA", city_name="Los Angeles").save()
            found.append((CTX.config.project, City.get("LA").city_name))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [(boiler.context.config.project, "Los Angeles")]


    def test_nothing_is_left_of_it():
        with pytest.raises(ConfigurationError):
            CTX.config
        import os
        assert "BOILER_PROJECT" not in os.environ
    """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=4)


def test_settle_refuses_to_wait_where_nothing_is_mediated(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        APP
        + """
    def test_of_a_boiler_that_is_not_the_applications(boiler_config, settle):
        create_app()
        with pytest.raises(ConfigurationError, match="override the fixture boiler_app"):
            settle()


    def test_of_mediators_that_were_not_started(boiler, settle):
        boiler.add(QueryMediator(CityView, query=City.get_query()))
        with pytest.raises(ConfigurationError, match="none of them runs"):
            settle()


    def test_of_a_mediator_that_was_started_by_itself(boiler, settle):
        with QueryMediator(CityView, query=City.get_query()):
            settle()
            City.new(doc_id="SF", city_name="San Francisco").save()
            settle()
            assert CTX.db.document("cityView/SF").get().exists
    """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("lambda: Flask('bare')", "has no Boiler"),
        (
            "lambda: (app := Flask('x'), Boiler(app, config=Config(firestore='cloud')))[0]",
            "uses Google's own Firestore, which tests must not do",
        ),
    ],
)
def test_an_app_that_is_not_fit_for_tests_is_refused(
    pytester: pytest.Pytester, factory: str, reason: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from flask import Flask
        from flask_boiler import Config
        from flask_boiler import Boiler

        @pytest.fixture
        def boiler_app():
            return ({factory})()

        def test_never_runs(boiler):
            raise AssertionError("must not run")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*ConfigurationError*{reason}*"])
