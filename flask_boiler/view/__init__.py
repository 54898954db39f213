"""The mediators: they decide when a view is computed, which state it reads, and where it goes.

Each mediator has a file here, and is made of ``mediation`` and of one of ``http``, ``socketio`` and
``inbox``. It imports these, and whatever is below ``view``.
"""

from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.http.list_routes import ListGet, ListPost
from flask_boiler.view.http.routes import (
    InstanceDelete,
    InstanceGet,
    InstancePatch,
    InstancePut,
    RestView,
)
from flask_boiler.view.inbox.marks import Ledger
from flask_boiler.view.inbox.patches import Patch, Patches
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.view.rest_mediator import RestMediator
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.view.ws_mediator import WsMediator

__all__ = [
    "DocumentMediator",
    "InstanceDelete",
    "InstanceGet",
    "InstancePatch",
    "InstancePut",
    "Ledger",
    "ListGet",
    "ListPost",
    "Patch",
    "Patches",
    "ProtocolBase",
    "QueryMediator",
    "QueryTaskMediator",
    "RestMediator",
    "RestView",
    "WsLimits",
    "WsMediator",
]
