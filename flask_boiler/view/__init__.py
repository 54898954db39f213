"""Mediators: what triggers a view, which state it reads, and where it goes."""

from flask_boiler.view.document import DocumentMediator, Patch, Patches
from flask_boiler.view.query import ProtocolBase, QueryMediator
from flask_boiler.view.query_task import Ledger, QueryTaskMediator
from flask_boiler.view.rest import RestMediator
from flask_boiler.view.websocket import WsLimits, WsMediator

__all__ = [
    "DocumentMediator",
    "Ledger",
    "Patch",
    "Patches",
    "ProtocolBase",
    "QueryMediator",
    "QueryTaskMediator",
    "RestMediator",
    "WsLimits",
    "WsMediator",
]
