"""The application's keys: where they come from, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Blueprint, Flask

from flask_boiler import view
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.extension import Boiler
from flask_boiler.view.mediation import secret_keys as keys
from flask_boiler.view.mediation.secret_keys import Keys, current_keys
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Lamp(DomainModel):
    pass


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore


@contextmanager
def active(runtime: str) -> Iterator[None]:
    config = Config(project="p", runtime=runtime)  # type: ignore[arg-type]
    with ApplicationContext(config).activated():
        yield


def tag_in(app: Flask) -> str:
    with app.app_context():
        return current_keys().tags(b"content")[0]


@pytest.mark.parametrize("runtime", ["development", "testing"])
def test_processes_of_a_machine_agree_without_a_secret(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("werkzeug.debug.get_machine_id", lambda: b"machine")
    with active(runtime):
        app = Flask("one")
        monkeypatch.setattr(keys, "_OF_PROCESS", b"another process")
        assert tag_in(app) == tag_in(Flask("one"))
        assert tag_in(app) != tag_in(Flask("two"))
        monkeypatch.setattr("werkzeug.debug.get_machine_id", lambda: b"other")
        assert tag_in(app) != tag_in(Flask("two"))


def test_a_process_has_a_random_secret_where_the_machine_has_no_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("werkzeug.debug.get_machine_id", lambda: None)
    with active("development"):
        mine = tag_in(Flask("one"))
        assert tag_in(Flask("one")) == mine
        monkeypatch.setattr(keys, "_OF_PROCESS", b"another process")
        assert tag_in(Flask("one")) != mine


def test_production_without_a_secret_is_refused_when_a_mediator_is_mounted() -> None:
    app = Flask("shop")
    blueprint = Blueprint("api", __name__)
    view.RestMediator(LampView, app=blueprint).add_instance_get("/lamps/<doc_id>")
    with active("production"):
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            view.RestMediator(LampView, app=app).add_instance_get("/lamps/<doc_id>")
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            app.register_blueprint(blueprint)
        app.config["SECRET_KEY"] = "s"
        view.RestMediator(LampView, app=app).add_list_get("/lamps")
        assert tag_in(app)


def test_production_without_a_secret_is_refused_when_its_boiler_comes_later() -> None:
    app = Flask("shop")
    app.config.update(BOILER_PROJECT="p", BOILER_RUNTIME="production")
    view.RestMediator(LampView, app=app).add_instance_get("/lamps/<doc_id>")
    with pytest.raises(ConfigurationError, match="shop runs in production without a SECRET_KEY"):
        Boiler(app)


def test_production_without_a_secret_serves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("shop")
    view.RestMediator(LampView, app=app).add_list_get("/lamps")
    with active("production"):
        refused = app.test_client().get("/lamps")
    assert (refused.status_code, refused.mimetype) == (500, "application/problem+json")
    assert "SECRET_KEY" in caplog.text and "SECRET_KEY" not in refused.text


def test_what_is_sealed_opens_with_its_key_and_binding_alone() -> None:
    ours = Keys([b"new", b"old"])
    sealed = ours.seal(b"hidden", bound_to=b"here")
    assert ours.opened(sealed, bound_to=b"here") == b"hidden"
    assert sealed != ours.seal(b"hidden", bound_to=b"here")
    assert Keys([b"newer", b"new"]).opened(sealed, bound_to=b"here") == b"hidden"
    assert Keys([b"old"]).opened(sealed, bound_to=b"here") is None
    assert ours.opened(sealed, bound_to=b"there") is None
    for damaged in (b"", b"x", sealed[:-1], sealed[1:], sealed + b"\0", b"\0" * 60):
        assert ours.opened(damaged, bound_to=b"here") is None


@pytest.mark.parametrize(
    "older", ["the one before", b"the one before", ["fine", ""], ["fine", None]]
)
def test_fallbacks_that_anybody_can_guess_are_refused(older: object) -> None:
    # Each letter of a text would be a key, and so would nothing.
    app = Flask("shop")
    app.config.update(SECRET_KEY="s", SECRET_KEY_FALLBACKS=older)
    with active("testing"), pytest.raises(ConfigurationError, match="SECRET_KEY_FALLBACKS"):
        view.RestMediator(LampView, app=app).add_list_get("/lamps")
    with active("testing"), pytest.raises(ConfigurationError, match="SECRET_KEY_FALLBACKS"):
        tag_in(app)
