"""Serves one board to many WebSocket clients: by the framework, or by hand.

::

    python -m benchmarks.fanout_server (framework|by-hand) HOST PROJECT

Says its port, and ends when its input does. By hand it is what one would write with Flask-SocketIO
and google's client alone: a listener on the document that emits to a room.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import flask_socketio
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_boiler import (
    Attr,
    Boiler,
    Config,
    DomainModel,
    Store,
    ViewModel,
    WsMediator,
    attrs,
    reference,
)

NAMESPACE = "/boards"
PATH = "Board/a"


class Board(DomainModel):
    count: Attr[int]
    sent_at: Attr[float]
    lines: Attr[list[str]]


class BoardStore(Store):
    board = reference(Board)

    @property
    def found(self) -> Board:
        board = self.board
        assert board is not None
        return board


class BoardView(ViewModel):
    store: BoardStore

    @attrs.computed
    def count(self) -> int:
        return self.store.found.count

    @attrs.computed
    def sent_at(self) -> float:
        return self.store.found.sent_at

    @attrs.computed
    def lines(self) -> list[str]:
        return self.store.found.lines


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """A thousand connections would be a thousand lines."""


def main() -> None:
    side, host, project = sys.argv[1:]
    app = Flask(__name__)
    boiler = Boiler(app, config=Config(project=project, emulator_host=host, testing=True))
    # The herd arrives while this process is busy with it: nobody is to be taken for gone.
    io = flask_socketio.SocketIO(app, async_mode="threading", ping_timeout=120)
    if side == "framework":
        io.on_namespace(boiler.add(WsMediator(BoardView, namespace=NAMESPACE)))
    else:
        _by_hand(io, boiler.context.db)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def _by_hand(io: Any, db: Any) -> None:
    board: dict[str, Any] = {}
    known = threading.Event()

    def changed(snapshots: Any, *_: Any) -> None:
        fields = snapshots[0].to_dict()
        board.update(count=fields["count"], sentAt=fields["sentAt"], lines=fields["lines"])
        known.set()
        io.emit("updated", board, to="a", namespace=NAMESPACE)

    def subscribe(arguments: Any) -> Any:
        flask_socketio.join_room(arguments["doc_id"])
        return {"value": board}

    io.on_event("subscribe_view_model", subscribe, namespace=NAMESPACE)
    db.document(PATH).on_snapshot(changed)
    known.wait(60)


if __name__ == "__main__":
    main()
