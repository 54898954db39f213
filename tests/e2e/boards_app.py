"""An application with a board over WebSocket, for servers in processes of their own."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import os
from typing import Any

import flask_socketio
from flask import Flask

from flask_boiler import Attr, Boiler, DomainModel, Store, ViewModel, WsMediator, attrs, reference


class SharedBoard(DomainModel):
    count: Attr[int] = attrs.bproperty(default=0)


class SharedBoardStore(Store):
    board = reference(SharedBoard)


class SharedBoardView(ViewModel):
    store: SharedBoardStore

    count: Attr[int] = attrs.bproperty()

    @count.getter
    def count(self) -> Any:
        return self.store.board.count


app = Flask(__name__)
boiler = Boiler(app)
mediator = boiler.add(WsMediator(SharedBoardView, namespace="/boards"))
io = flask_socketio.SocketIO(
    app, async_mode="threading", message_queue=os.environ.get("MESSAGE_QUEUE") or None
)
io.on_namespace(mediator)


@app.get("/say/<word>")
def say(word: str) -> str:
    """Something of the application's own, to all clients of all processes."""
    io.emit("said", word, namespace="/boards")
    return word
