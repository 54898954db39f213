"""A mediator becomes a Socket.IO namespace when there is one, and Flask-SocketIO is optional."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import flask_socketio
import pytest
from flask import Flask

from flask_boiler.errors import ConfigurationError, MissingExtraError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.ws_mediator import WsMediator, mounted_mediators
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Kite(DomainModel):
    class Meta:
        collection_name = "kites"


class KiteStore(Store):
    kite = reference(Kite)


class KiteView(ViewModel):
    store: KiteStore


class Demo(WsMediator):
    """A mediator of an application's own."""


def test_an_instance_is_a_namespace_and_keeps_its_name() -> None:
    one, two = (Demo(KiteView, namespace=f"/{name}") for name in "ab")
    assert isinstance(one, flask_socketio.Namespace)
    assert type(one) is type(two)
    assert (type(one).__name__, type(one).__doc__) == ("Demo", Demo.__doc__)
    assert isinstance(one, Demo)
    assert one.namespace == "/a"
    assert not issubclass(WsMediator, flask_socketio.Namespace)


def test_a_class_below_a_mounted_one_is_mounted_by_itself() -> None:
    Demo(KiteView, namespace="/a")

    class Below(Demo):
        pass

    assert type(Below(KiteView, namespace="/b")).__name__ == "Below"
    assert isinstance(Below(KiteView, namespace="/b"), Below)


def test_what_decides_who_may_takes_what_it_is_called_with() -> None:
    class Asking(WsMediator):
        def authorize(self, arguments: Any, user: str) -> None: ...  # type: ignore[override]

    class Changing(WsMediator):
        def authorize_mutation(self, doc_id: str) -> None: ...  # type: ignore[override]

    with pytest.raises(ConfigurationError, match=r"authorize\(.*is called with \(arguments\)"):
        Asking(KiteView, namespace="/a")
    with pytest.raises(ConfigurationError, match=r"called with \(operation, doc_id, data\)"):
        Changing(KiteView, namespace="/a")


def test_importing_the_mediator_does_not_import_flask_socketio() -> None:
    program = (
        "import sys\n"
        "from flask_boiler.view.ws_mediator import WsMediator\n"
        "class Demo(WsMediator): pass\n"
        "print([name for name in sys.modules if name.startswith(('flask_socketio', 'socketio'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE
    )
    assert done.stdout == "[]\n"


def test_without_flask_socketio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lone(WsMediator):
        pass

    monkeypatch.setitem(sys.modules, "flask_socketio", None)
    with pytest.raises(MissingExtraError, match=r"Lone.*flask-boiler\[websocket\]"):
        Lone(KiteView, namespace="/a")


@pytest.mark.parametrize("namespace", ["kites", "", "*"])
def test_a_namespace_that_no_client_finds_is_refused(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="begin with a slash"):
        Demo(KiteView, namespace=namespace)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_events_that_wait_for_each_other_are_refused(late: bool) -> None:
    # What a subscription waits for would wait for it, and updates overtake its acknowledgement.
    mediator = Demo(KiteView, namespace="/a")
    app = Flask("kites")
    options = {"async_mode": "threading", "async_handlers": False}
    io = flask_socketio.SocketIO(None if late else app, **options)
    with pytest.raises(ConfigurationError, match="without async_handlers=False"):
        io.on_namespace(mediator)
        io.init_app(app, **options)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_threads_are_taken_where_gevent_is_merely_installed(late: bool) -> None:
    mediator = Demo(KiteView, namespace="/a")
    app = Flask("kites")
    io = flask_socketio.SocketIO() if late else flask_socketio.SocketIO(app=app)
    assert late or io.async_mode == "gevent"
    heard: list[str] = []
    io.on_event("before", heard.append, namespace="/other")
    io.on_namespace(mediator)
    if late:
        io.init_app(app)
    assert io.async_mode == io.server.async_mode == "threading"
    assert mounted_mediators(app) == [mediator]
    # The application's requests reach that server.
    answer = app.test_client().get("/socket.io/?EIO=4&transport=polling")
    assert answer.text.startswith("0{")
    assert len(io.server.eio.sockets) == 1
    client = io.test_client(app, namespace="/other")
    client.emit("before", "hand", namespace="/other")
    assert heard == ["hand"]
    io.server.eio.shutdown()


def test_a_mode_that_was_asked_for_is_left_and_refused() -> None:
    io = flask_socketio.SocketIO(Flask("kites"), async_mode="gevent")
    with pytest.raises(ConfigurationError, match='async_mode="threading"'):
        io.on_namespace(Demo(KiteView, namespace="/a"))


def test_events_without_threads_are_refused() -> None:
    class Server:
        namespace_handlers: ClassVar[dict[str, Any]] = {}
        async_mode = "gevent"

    mediator: Any = Demo(KiteView, namespace="/a")
    with pytest.raises(ConfigurationError, match='async_mode="threading"'):
        mediator._set_server(Server())


def test_test_clients_keep_nothing_from_being_mounted() -> None:
    app = Flask("kites")
    io = flask_socketio.SocketIO(app, async_mode="threading")
    first, second = (Demo(KiteView, namespace=f"/{name}") for name in "ab")
    io.on_namespace(first)
    # It has events handled one after another from now on.
    io.test_client(app, namespace="/a")
    io.on_namespace(second)
    assert mounted_mediators(app) == [first, second]


def test_a_client_that_leaves_as_the_last_one_holds_nobody_up() -> None:
    class Rooms:
        def eio_sid_from_sid(self, sid: str, namespace: str) -> str:
            # What its rooms raise when they go between being looked for and being looked into.
            raise KeyError(None)

    class Server:
        manager = Rooms()

    mediator = Demo(KiteView, namespace="/leaving")
    mediator.server = Server()
    assert mediator.is_ready("gone")
