"""Pytest fixtures for applications: a local Firestore, a Boiler on it, and waiting for it.

Pytest loads this module in every project that has flask_boiler installed, so it
imports nothing that costs time; the fixtures import what they need.

    def test_a_city_is_viewed(boiler, settle):
        boiler.add(QueryMediator(CityView, query=City.get_query()))
        with boiler:
            City.new(doc_id="SF", city_name="San Francisco").save()
            settle()
        assert CTX.db.document("cityView/SF").get().exists

A test that needs a Firestore is skipped where there is none; with the environment
variable ``FLASK_BOILER_REQUIRE_ALL`` set, as on a build server, it fails instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_boiler.context.config import Config
    from flask_boiler.ground.ports import LocalFirestore
    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
    from flask_boiler.operate.extension import Boiler
    from flask_boiler.operate.testing.settle import Settle

__all__ = [
    "boiler",
    "boiler_app",
    "boiler_config",
    "embedded_firestore",
    "firestore_emulator",
    "is_all_required",
    "settle",
    "skip_unless_required",
]

_REQUIRE_ALL = "FLASK_BOILER_REQUIRE_ALL"


def is_all_required() -> bool:
    """Whether a test fails, and is not skipped, if something is missing, as on a build server."""
    return bool(os.environ.get(_REQUIRE_ALL))


def skip_unless_required(reason: str) -> NoReturn:
    """Skip the running test because something is missing; fail it where everything is required."""
    if is_all_required():
        pytest.fail(f"{_REQUIRE_ALL} is set, and something is missing: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[LocalFirestore]:
    """A Firestore that answers at ``.host`` for the whole session (under xdist: one a worker).

    The one at ``FIRESTORE_EMULATOR_HOST`` if that is set, else one that is started here, keeps
    nothing, and ends with the session: the embedded one, or Google's emulator if the configuration
    (``boiler.yaml``, ``BOILER_FIRESTORE``) asks for that; never Google's cloud. Tests share it:
    give each its own project, as ``boiler`` does.
    """
    from flask_boiler.errors import LocalFirestoreNotFoundError
    from flask_boiler.local.local_firestore import start_local_firestore

    try:
        local = start_local_firestore(_config_of_session())
    except LocalFirestoreNotFoundError as error:
        skip_unless_required(str(error))
    with local:
        yield local


def _config_of_session() -> Config:
    """What the application's configuration says of a local Firestore, and nothing else of it."""
    from flask_boiler.context.config import Config

    # The section for testing counts, whatever the shell is otherwise set to.
    configured = Config.load(environ={**os.environ, "BOILER_RUNTIME": "testing"})
    wants_googles = configured.firestore == "google-emulator"
    return Config(
        testing=True,
        runtime="testing",
        firestore="google-emulator" if wants_googles else "embedded",
        emulator_host=configured.emulator_host,
        emulator_jar=configured.emulator_jar,
    )


@pytest.fixture
def embedded_firestore() -> Iterator[EmbeddedFirestore]:
    """A Firestore of this test alone, empty, at ``.host``, that fails when it is told to.

    What is to go wrong is said to ``.faults``: streams are dropped or stalled, tokens expire,
    commits are refused or are done and not answered; ``stop()`` and ``start()`` restart it.
    """
    from flask_boiler.local.embedded.listening.faults import Faults
    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore

    with EmbeddedFirestore(faults=Faults()) as server:
        yield server


@pytest.fixture
def boiler_config(
    firestore_emulator: LocalFirestore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Config]:
    """The configuration of an empty project of this test alone.

    The environment says the same during the test, so that a ``Boiler(app)`` which an application's
    factory makes is on that project, too, whatever ``app.config`` has.
    """
    import uuid

    from flask_boiler.context.config import Config

    project = f"test-{uuid.uuid4().hex[:20]}"
    with monkeypatch.context() as environment:
        for name, value in (
            ("BOILER_RUNTIME", "testing"),
            ("BOILER_PROJECT", project),
            ("BOILER_EMULATOR_HOST", firestore_emulator.host),
        ):
            environment.setenv(name, value)
        environment.delenv("BOILER_FIRESTORE", raising=False)
        yield Config(testing=True, project=project, emulator_host=firestore_emulator.host)


@pytest.fixture
def boiler_app() -> Flask | None:
    """The application under test; for projects to override. Without one, ``boiler`` is bare.

    ::

        @pytest.fixture
        def boiler_app(boiler_config):
            return create_app()
    """
    return None


@pytest.fixture
def boiler(boiler_config: Config, boiler_app: Flask | None) -> Iterator[Boiler]:
    """The :class:`~flask_boiler.Boiler` of ``boiler_app``, or else one of this test.

    ``CTX`` resolves to its context during the test, on every thread. Whatever was started is
    stopped, and its clients are closed, when the test ends.

    :raises ConfigurationError: the application has none, or one that is not on a local Firestore.
    """
    from flask_boiler.context.context import Context
    from flask_boiler.operate.extension import Boiler

    boiler = Boiler(config=boiler_config) if boiler_app is None else _boiler_of(boiler_app)
    try:
        with boiler.context.activated(), Context.falling_back_on(boiler.context):
            yield boiler
    finally:
        boiler.close()


def _boiler_of(app: Flask) -> Boiler:
    from flask import Flask

    from flask_boiler.errors import ConfigurationError
    from flask_boiler.operate.extension import Boiler

    if not isinstance(app, Flask):
        raise ConfigurationError(
            f"the fixture boiler_app returns {app!r:.80}: it must return the Flask application, "
            "whose Boiler is found then"
        )
    boiler = app.extensions.get("boiler")
    if not isinstance(boiler, Boiler):
        raise ConfigurationError(
            f"the app {app.name!r} that the fixture boiler_app returns has no Boiler: make one in "
            "its factory with Boiler(app)"
        )
    config = boiler.context.config
    if config.emulator_host is None and config.chosen_firestore == "cloud":
        raise ConfigurationError(
            f"the Boiler of {app.name!r} uses Google's own Firestore, which tests must not do: "
            "have boiler_app use the fixture boiler_config before it makes the app, or pass it, "
            "as in Boiler(app, config=boiler_config)"
        )
    return boiler


@pytest.fixture
def settle(boiler: Boiler) -> Settle:
    """``settle(timeout_s=30.0)`` waits until ``boiler`` has published all that was committed.

    :raises ConfigurationError: no mediator runs on it, so that there is nothing to wait for.
    """

    def wait(timeout_s: float = 30.0) -> None:
        if not boiler.mediates:
            raise ConfigurationError(
                "settle() waits for the mediators of the fixture 'boiler', and none of them runs: "
                "add them and start the boiler ('with boiler:'). If the application has a Boiler "
                "of its own, override the fixture boiler_app to return that application"
            )
        boiler.settle(timeout_s=timeout_s)

    from flask_boiler.errors import ConfigurationError

    return wait
