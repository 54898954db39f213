"""View models over Firestore that are stored as documents and stay true.

Importing this package opens nothing, reads nothing and starts nothing: a name is looked up in its
module when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_boiler import attrs, errors, view
    from flask_boiler.attrs.attribute import Attr, AttributeOptions
    from flask_boiler.attrs.condition import Condition
    from flask_boiler.attrs.operators import F
    from flask_boiler.attrs.relations import RelationAttr
    from flask_boiler.context.config import Config, FirestoreKind, Runtime
    from flask_boiler.context.context import (
        ApplicationContext,
        Context,
        ContextProxy,
        WebSettings,
        current_context,
        register_resolver,
    )
    from flask_boiler.context.context import Context as CTX
    from flask_boiler.ground.values import Snapshot
    from flask_boiler.local.local_firestore import start_local_firestore
    from flask_boiler.models.domain_model import DomainModel
    from flask_boiler.models.model import Model
    from flask_boiler.models.query.page import Page
    from flask_boiler.models.query.query import Query
    from flask_boiler.operate.extension import Boiler, Mediator
    from flask_boiler.operate.health import Health
    from flask_boiler.transactions.running import (
        current_transaction,
        execute_transaction,
        joined_transaction,
        run_transaction,
        transaction,
    )
    from flask_boiler.transactions.transaction import Transaction
    from flask_boiler.view.document_mediator import DocumentMediator
    from flask_boiler.view.http.routes import (
        InstanceDelete,
        InstanceGet,
        InstancePatch,
        InstancePut,
        ListGet,
        ListPost,
        RestView,
    )
    from flask_boiler.view.inbox.marks import Ledger
    from flask_boiler.view.inbox.patches import Patch, Patches
    from flask_boiler.view.query_mediator import ProtocolBase, QueryMediator
    from flask_boiler.view.query_task_mediator import QueryTaskMediator
    from flask_boiler.view.rest_mediator import RestMediator
    from flask_boiler.view.socketio.options import WsLimits
    from flask_boiler.view.ws_mediator import WsMediator
    from flask_boiler.viewmodels.form import PROBLEM_FIELD, Form
    from flask_boiler.viewmodels.mutation import Mutation, carry_out
    from flask_boiler.viewmodels.store import (
        ManyReference,
        Reference,
        SingleReference,
        Store,
        reference,
    )
    from flask_boiler.viewmodels.view_model import OnDelete, ViewModel, store_class

__version__ = "0.1.0"

#: Where each public name is defined, by module.
_DEFINED = {
    "attrs.attribute": ("Attr", "AttributeOptions"),
    "attrs.condition": ("Condition",),
    "attrs.operators": ("F",),
    "attrs.relations": ("RelationAttr",),
    "context.config": ("Config", "FirestoreKind", "Runtime"),
    "context.context": (
        "ApplicationContext",
        "CTX",
        "Context",
        "ContextProxy",
        "WebSettings",
        "current_context",
        "register_resolver",
    ),
    "ground.values": ("Snapshot",),
    "local.local_firestore": ("start_local_firestore",),
    "models.domain_model": ("DomainModel",),
    "models.model": ("Model",),
    "models.query.page": ("Page",),
    "models.query.query": ("Query",),
    "operate.extension": ("Boiler", "Mediator"),
    "operate.health": ("Health",),
    "transactions.running": (
        "execute_transaction",
        "joined_transaction",
        "run_transaction",
        "current_transaction",
        "transaction",
    ),
    "transactions.transaction": ("Transaction",),
    "view.document_mediator": ("DocumentMediator",),
    "view.http.routes": (
        "InstanceDelete",
        "InstanceGet",
        "InstancePatch",
        "InstancePut",
        "ListGet",
        "ListPost",
        "RestView",
    ),
    "view.inbox.marks": ("Ledger",),
    "view.inbox.patches": ("Patch", "Patches"),
    "view.query_mediator": ("ProtocolBase", "QueryMediator"),
    "view.query_task_mediator": ("QueryTaskMediator",),
    "view.rest_mediator": ("RestMediator",),
    "view.socketio.options": ("WsLimits",),
    "view.ws_mediator": ("WsMediator",),
    "viewmodels.form": ("Form", "PROBLEM_FIELD"),
    "viewmodels.mutation": ("Mutation", "carry_out"),
    "viewmodels.store": ("ManyReference", "Reference", "SingleReference", "Store", "reference"),
    "viewmodels.view_model": ("OnDelete", "ViewModel", "store_class"),
}

#: Modules that are names of the package themselves.
_MODULES = ("attrs", "errors", "view")

_MODULE_OF = {name: module for module, names in _DEFINED.items() for name in names}

__all__ = [
    "CTX",
    "PROBLEM_FIELD",
    "ApplicationContext",
    "Attr",
    "AttributeOptions",
    "Boiler",
    "Condition",
    "Config",
    "Context",
    "ContextProxy",
    "DocumentMediator",
    "DomainModel",
    "F",
    "FirestoreKind",
    "Form",
    "Health",
    "InstanceDelete",
    "InstanceGet",
    "InstancePatch",
    "InstancePut",
    "Ledger",
    "ListGet",
    "ListPost",
    "ManyReference",
    "Mediator",
    "Model",
    "Mutation",
    "OnDelete",
    "Page",
    "Patch",
    "Patches",
    "ProtocolBase",
    "Query",
    "QueryMediator",
    "QueryTaskMediator",
    "Reference",
    "RelationAttr",
    "RestMediator",
    "RestView",
    "Runtime",
    "SingleReference",
    "Snapshot",
    "Store",
    "Transaction",
    "ViewModel",
    "WebSettings",
    "WsLimits",
    "WsMediator",
    "__version__",
    "attrs",
    "carry_out",
    "current_context",
    "current_transaction",
    "errors",
    "execute_transaction",
    "joined_transaction",
    "reference",
    "register_resolver",
    "run_transaction",
    "start_local_firestore",
    "store_class",
    "transaction",
    "view",
]


if not TYPE_CHECKING:  # so that a type checker sees which names there are not

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
        value = getattr(module, "Context" if name == "CTX" else name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
