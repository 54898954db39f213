"""Which context is in force, which database it opens, and what it needs for that."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from pytest_mock import MockerFixture

from flask_boiler.context import context as context_module
from flask_boiler.context.config import Config
from flask_boiler.context.context import (
    ApplicationContext,
    Context,
    current_context,
    register_resolver,
)
from flask_boiler.errors import ConfigurationError, MissingExtraError
from flask_boiler.ground import ports


class LocalFirestore:
    """Stands for one that somebody starts."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.host = "127.0.0.1:1"
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "_last", None)
    monkeypatch.setattr(context_module, "_resolvers", [])
    for variable in ("FIRESTORE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[LocalFirestore]:
    found: list[LocalFirestore] = []

    def start(config: Config) -> LocalFirestore:
        found.append(LocalFirestore(config))
        return found[-1]

    monkeypatch.setitem(ports._provided, "local_firestore", start)
    return found


@pytest.fixture
def context(started: list[LocalFirestore]) -> Iterator[ApplicationContext]:
    made = ApplicationContext(Config(app_name="My Cities!"))
    yield made
    made.close()


def test_without_any_configuration_the_error_tells_how() -> None:
    with pytest.raises(ConfigurationError, match=r"CTX\.load\(\).*CTX\.read.*Boiler\(app\)"):
        current_context()
    with pytest.raises(ConfigurationError, match="there is no context"):
        _ = Context.db


def test_the_last_read_is_in_force() -> None:
    first = Context.read(Config(app_name="one"))
    assert current_context() is first
    second = Context.read(Config(app_name="two"))
    assert current_context() is second
    assert Context.config.app_name == "two"


def test_a_resolver_wins_over_the_last_read() -> None:
    Context.read(Config(app_name="read"))
    of_app = ApplicationContext(Config(app_name="app"))
    found: list[ApplicationContext | None] = [of_app]
    register_resolver(lambda: found[0])
    assert current_context() is of_app
    found[0] = None
    assert Context.config.app_name == "read"


def test_an_active_context_wins_over_all() -> None:
    register_resolver(lambda: ApplicationContext(Config(app_name="app")))
    active = ApplicationContext(Config(app_name="active"))
    with active.activated():
        assert current_context() is active
    assert current_context().config.app_name == "app"


def test_activation_ends_with_an_exception() -> None:
    outer = Context.read(Config())
    with pytest.raises(KeyError), ApplicationContext(Config()).activated():
        raise KeyError
    assert current_context() is outer


def test_load_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("app_name: from-file\n")
    assert Context.load(tmp_path / "conf.yaml").config.app_name == "from-file"
    assert current_context().config.app_name == "from-file"


def test_the_local_firestore_starts_when_it_is_needed(
    context: ApplicationContext, started: list[LocalFirestore]
) -> None:
    assert started == []
    client = context.db
    assert len(started) == 1
    assert client._emulator_host == "127.0.0.1:1"
    assert client.project == "demo-my-cities"
    assert ("authorization", "Bearer owner") in client._rpc_metadata
    assert context.db is client
    assert context.datastore.database == "projects/demo-my-cities/databases/(default)"
    assert len(started) == 1


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(firestore="google-emulator", emulator_jar="/opt/firestore.jar"),
        Config(firestore="embedded", project="named"),
        Config(firestore_file="cities.db", runtime="production"),
    ],
)
def test_a_local_one_is_started_as_the_configuration_says(
    started: list[LocalFirestore], config: Config
) -> None:
    made = ApplicationContext(config)
    assert made.db.project == (config.project or "demo-boiler")
    assert made.local_host == "127.0.0.1:1"
    made.close()
    assert [local.config for local in started] == [config]


def test_the_cloud_is_never_an_emulator(
    monkeypatch: pytest.MonkeyPatch, started: list[LocalFirestore]
) -> None:
    made = ApplicationContext(Config(firestore="cloud"))
    with pytest.raises(ConfigurationError, match="where firestore is cloud the database must be"):
        _ = made.db
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "localhost:8")
    with pytest.raises(ConfigurationError, match="FIRESTORE_EMULATOR_HOST is localhost:8: unset"):
        _ = made.db
    assert started == []


def test_close_ends_what_was_started(
    context: ApplicationContext, started: list[LocalFirestore]
) -> None:
    first = context.db
    reader = context.datastore
    context.close()
    with pytest.raises(ValueError, match="Channel closed"):
        reader.get(["a/b"])
    assert started[0].stopped
    assert context.db is not first
    assert not started[1].stopped


def test_an_emulator_host_is_used_and_the_environment_left_alone(
    started: list[LocalFirestore],
) -> None:
    made = ApplicationContext(Config(emulator_host="localhost:9", project="p", database="d"))
    assert made.db._emulator_host == "localhost:9"
    assert made.datastore.database == "projects/p/databases/d"
    assert "FIRESTORE_EMULATOR_HOST" not in os.environ
    assert started == []
    made.close()


def test_googles_variable_names_an_emulator_too(
    monkeypatch: pytest.MonkeyPatch, started: list[LocalFirestore]
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "localhost:8")
    made = ApplicationContext(Config(runtime="production"))
    assert made.db._emulator_host == "localhost:8"
    configured = ApplicationContext(Config(emulator_host="localhost:9"))
    assert configured.db._emulator_host == "localhost:9"
    assert started == []
    made.close()
    configured.close()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", " http://localhost:7/ ")
    made = ApplicationContext(Config())
    assert made.db._emulator_host == "localhost:7"
    made.close()


def test_production_never_starts_a_local_one(started: list[LocalFirestore]) -> None:
    made = ApplicationContext(Config(runtime="production"))
    with pytest.raises(ConfigurationError, match=r"BOILER_PROJECT.*BOILER_CERTIFICATE_PATH"):
        _ = made.db
    with pytest.raises(ConfigurationError, match="in production the database must be named"):
        _ = made.datastore
    assert started == []


def test_a_project_without_credentials_says_what_to_do() -> None:
    made = ApplicationContext(Config(project="real"))
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login") as caught:
        _ = made.db
    assert 'set firestore="embedded" (BOILER_FIRESTORE=embedded)' in str(caught.value)


def test_a_project_of_the_environment_counts_in_production_only(
    monkeypatch: pytest.MonkeyPatch, started: list[LocalFirestore]
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-shell")
    with pytest.raises(ConfigurationError, match="there are no Google credentials"):
        _ = ApplicationContext(Config(runtime="production")).db
    made = ApplicationContext(Config())
    assert made.db.project == "demo-boiler"
    made.close()


def test_a_missing_certificate_is_named() -> None:
    made = ApplicationContext(Config(certificate_path="/nowhere/key.json"))
    with pytest.raises(ConfigurationError, match=r"/nowhere/key\.json cannot be read"):
        _ = made.db


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"type": "service_account"}))
    made = ApplicationContext(Config(certificate_path=str(path)))
    with pytest.raises(ConfigurationError, match="is not a service account's key file"):
        _ = made.db


def test_a_certificate_names_its_project(tmp_path: Path) -> None:
    made = ApplicationContext(Config(certificate_path=str(certificate(tmp_path))))
    assert made.db.project == "of-the-key"
    assert made.db._emulator_host is None
    named = ApplicationContext(Config(certificate_path=str(certificate(tmp_path)), project="other"))
    assert named.db.project == "other"
    made.close()
    named.close()


def certificate(directory: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = directory / "key.json"
    fields = {
        "type": "service_account",
        "project_id": "of-the-key",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "robot@of-the-key.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(fields))
    return path


def test_firebase_needs_its_extra(
    context: ApplicationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "firebase_admin", None)
    with pytest.raises(MissingExtraError, match=r"flask-boiler\[firebase\]"):
        _ = context.firebase_app


def test_each_context_has_its_own_firebase_app(started: list[LocalFirestore]) -> None:
    pytest.importorskip("firebase_admin")
    config = Config(storage_bucket_name="bucket")
    one, other = ApplicationContext(config), ApplicationContext(config)
    assert one.firebase_app is one.firebase_app
    assert one.firebase_app is not other.firebase_app
    assert one.firebase_app.project_id == "demo-boiler"
    assert one.firebase_app.options.get("storageBucket") == "bucket"
    one.close()
    other.close()


def test_a_forked_child_opens_its_own_and_shares_the_local_firestore(
    context: ApplicationContext, started: list[LocalFirestore]
) -> None:
    parents = context.datastore
    lock = context._connections.lock
    # What the hook does in the child; a thread of the parent may have held the lock.
    held = threading.Thread(target=lock.acquire)
    held.start()
    held.join()
    context_module._inherit_all()
    assert context.datastore is not parents
    assert context.db._emulator_host == started[0].host
    assert len(started) == 1
    context.close()
    assert not started[0].stopped, "the parent's, so the parent ends it"


def test_threads_share_one_client(context: ApplicationContext) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(context.datastore)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_proxy_shows_what_it_stands_for() -> None:
    assert repr(Context) == "<CTX, not configured>"
    Context.read(Config(app_name="cities"))
    assert repr(Context) == "<CTX for <ApplicationContext cities (development)>>"


def test_importing_the_context_imports_no_google() -> None:
    import subprocess
    import sys

    # Packages that install into google's namespace may have it made, empty, before anything runs.
    code = (
        "import flask_boiler.context.context, sys\n"
        "named = [m for m in sys.modules if m.partition('.')[0] == 'google']\n"
        "print([m for m in named if getattr(sys.modules[m], '__file__', None)])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "[]"


def test_a_page_is_told_where_a_local_firestore_is(started: list[LocalFirestore]) -> None:
    made = ApplicationContext(Config(app_name="cities", emulator_host="0.0.0.0:9", database="d"))
    assert json.loads(json.dumps(made.web_settings())) == {
        "firebase": {"projectId": "demo-cities"},
        "database": "d",
        "emulator": {"host": "127.0.0.1", "port": 9},
    }
    assert started == []
    made.close()
    made = ApplicationContext(Config(emulator_host="[::1]:9"))
    assert made.web_settings()["emulator"] == {"host": "[::1]", "port": 9}
    made.close()


def test_a_page_is_told_of_the_local_firestore_that_is_started_for_it(
    context: ApplicationContext, started: list[LocalFirestore]
) -> None:
    assert context.web_settings()["emulator"] == {"host": "127.0.0.1", "port": 1}
    assert len(started) == 1


def test_a_page_gets_the_key_of_a_project_in_the_cloud(mocker: MockerFixture) -> None:
    mocker.patch("google.auth.default", return_value=(AnonymousCredentials(), None))
    made = ApplicationContext(Config(project="real", web_api_key="AIza"))
    assert made.web_settings() == {
        "firebase": {"projectId": "real", "apiKey": "AIza"},
        "database": "(default)",
        "emulator": None,
    }
    made.close()
    made = ApplicationContext(Config(project="real"))
    with pytest.raises(ConfigurationError, match=r"set web_api_key \(BOILER_WEB_API_KEY\)"):
        made.web_settings()
    made.close()


def test_the_firebase_app_of_a_local_firestore_needs_no_credentials(
    context: ApplicationContext,
) -> None:
    firebase_admin = pytest.importorskip("firebase_admin")
    app = context.firebase_app
    assert app.project_id == "demo-my-cities"
    assert isinstance(app.credential.get_credential(), AnonymousCredentials)
    from firebase_admin import firestore

    assert firestore.client(app) is context.db
    context.close()
    with pytest.raises(ValueError, match="does not exist"):
        firebase_admin.get_app(app.name)
