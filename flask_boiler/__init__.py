"""Views over Firestore: documents for front ends, which are computed and kept up to date.

You declare two kinds of classes. A *domain model* is a document that your application reads and
writes. A *view model* is a document that a front end reads: its attributes are computed from other
documents, which its *store* names. A *mediator* keeps the views: it writes a view when something
that the view shows has changed, and deletes it when the document that it is about is deleted.

Save this as ``cities.py`` and run it with ``python cities.py``. It needs no configuration: in
development a local Firestore is started when it is first needed. ::

    from flask import Flask
    from flask_boiler import CTX, Boiler, DomainModel, QueryMediator, Store, ViewModel
    from flask_boiler import attrs, root


    class City(DomainModel):
        city_name = attrs.bproperty()


    class CityStore(Store):
        city = root(City)


    class CityView(ViewModel):
        store: CityStore

        class Meta:
            path = "cityView/{city.doc_id}"

        @attrs.computed
        def name(self):
            return self.store.city.city_name.upper()


    app = Flask(__name__)
    boiler = Boiler(app)
    boiler.add(QueryMediator(CityView, query=City.get_query()))

    if __name__ == "__main__":
        with app.app_context(), boiler:  # the mediators run inside the block
            City.new(doc_id="SF", city_name="San Francisco").save()
            boiler.settle()  # for tests and scripts: wait until all views are written
            print(CTX.db.document("cityView/SF").get().get("name"))

In production the web workers import ``app``, and ``flask --app cities boiler run`` runs the
mediators in a process of its own.

All names of this list are imported from ``flask_boiler``::

    models         DomainModel, Model, attrs, Attr, OMIT, Omit, RelationAttr, AttributeOptions,
                   Snapshot
    queries        Query, Condition, F, Page
    transactions   transaction, run_transaction, execute_transaction, joined_transaction,
                   current_transaction, Transaction
    views          ViewModel, Store, store_class, OnDelete
      slots        root, each, param, reference, Root, Each, Param, Reference,
                   SingleReference, ManyReference
    changes        Mutation, carry_out, Form, PROBLEM_FIELD
    mediators      Mediator, view
      documents    QueryMediator, ProtocolBase, DocumentMediator, Patch, Patches
      tasks        QueryTaskMediator, Ledger, Submission
      REST         RestMediator, RestView, ListGet, ListPost, InstanceGet, InstancePut,
                   InstancePatch, InstanceDelete
      WebSocket    WsMediator, WsLimits
    running        Boiler, Health, Config, Runtime, FirestoreKind, start_local_firestore
      context      CTX, Context, ContextProxy, ApplicationContext, WebSettings,
                   current_context, register_resolver
    errors         errors

Four modules are imported by themselves: ``flask_boiler.errors`` has every error that is raised,
``flask_boiler.openapi`` makes OpenAPI and AsyncAPI documents, ``flask_boiler.embedded`` is a local
Firestore, and ``flask_boiler.testing`` is for tests, beside the fixtures of the pytest plugin
(``boiler``, ``settle`` and others).

Read on in the directory ``docs`` of the project: ``quickstart.md`` explains the example step by
step, ``index.md`` lists the other pages.

Importing this package opens nothing, reads nothing and starts nothing. A name is looked up in the
module that defines it when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what type checkers see; the same names as in _DEFINED below
    from flask_boiler import attrs as attrs
    from flask_boiler import errors as errors
    from flask_boiler import view as view
    from flask_boiler.attrs.attribute import Attr as Attr
    from flask_boiler.attrs.condition import Condition as Condition
    from flask_boiler.attrs.declared_attr import AttributeOptions as AttributeOptions
    from flask_boiler.attrs.model_state import OMIT as OMIT
    from flask_boiler.attrs.model_state import Omit as Omit
    from flask_boiler.attrs.operators import F as F
    from flask_boiler.attrs.relations import RelationAttr as RelationAttr
    from flask_boiler.context.config import Config as Config
    from flask_boiler.context.config import FirestoreKind as FirestoreKind
    from flask_boiler.context.config import Runtime as Runtime
    from flask_boiler.context.context import CTX as CTX
    from flask_boiler.context.context import ApplicationContext as ApplicationContext
    from flask_boiler.context.context import Context as Context
    from flask_boiler.context.context import ContextProxy as ContextProxy
    from flask_boiler.context.context import WebSettings as WebSettings
    from flask_boiler.context.context import current_context as current_context
    from flask_boiler.context.context import register_resolver as register_resolver
    from flask_boiler.ground.values import Snapshot as Snapshot
    from flask_boiler.local.local_firestore import start_local_firestore as start_local_firestore
    from flask_boiler.models.domain_model import DomainModel as DomainModel
    from flask_boiler.models.model import Model as Model
    from flask_boiler.models.query.page import Page as Page
    from flask_boiler.models.query.query import Query as Query
    from flask_boiler.operate.extension import Boiler as Boiler
    from flask_boiler.operate.health import Health as Health
    from flask_boiler.transactions.running import current_transaction as current_transaction
    from flask_boiler.transactions.running import execute_transaction as execute_transaction
    from flask_boiler.transactions.running import joined_transaction as joined_transaction
    from flask_boiler.transactions.running import run_transaction as run_transaction
    from flask_boiler.transactions.running import transaction as transaction
    from flask_boiler.transactions.transaction import Transaction as Transaction
    from flask_boiler.view.document_mediator import DocumentMediator as DocumentMediator
    from flask_boiler.view.http.list_routes import ListGet as ListGet
    from flask_boiler.view.http.list_routes import ListPost as ListPost
    from flask_boiler.view.http.routes import InstanceDelete as InstanceDelete
    from flask_boiler.view.http.routes import InstanceGet as InstanceGet
    from flask_boiler.view.http.routes import InstancePatch as InstancePatch
    from flask_boiler.view.http.routes import InstancePut as InstancePut
    from flask_boiler.view.http.routes import RestView as RestView
    from flask_boiler.view.inbox.forms import Submission as Submission
    from flask_boiler.view.inbox.marks import Ledger as Ledger
    from flask_boiler.view.inbox.patches import Patch as Patch
    from flask_boiler.view.inbox.patches import Patches as Patches
    from flask_boiler.view.mediation.keeping.handlers import ProtocolBase as ProtocolBase
    from flask_boiler.view.mediation.mediator import Mediator as Mediator
    from flask_boiler.view.query_mediator import QueryMediator as QueryMediator
    from flask_boiler.view.query_task_mediator import QueryTaskMediator as QueryTaskMediator
    from flask_boiler.view.rest_mediator import RestMediator as RestMediator
    from flask_boiler.view.socketio.options import WsLimits as WsLimits
    from flask_boiler.view.ws_mediator import WsMediator as WsMediator
    from flask_boiler.viewmodels.form import PROBLEM_FIELD as PROBLEM_FIELD
    from flask_boiler.viewmodels.form import Form as Form
    from flask_boiler.viewmodels.mutation import Mutation as Mutation
    from flask_boiler.viewmodels.mutation import carry_out as carry_out
    from flask_boiler.viewmodels.placed_view import OnDelete as OnDelete
    from flask_boiler.viewmodels.slots.each import Each as Each
    from flask_boiler.viewmodels.slots.each import each as each
    from flask_boiler.viewmodels.slots.param import Param as Param
    from flask_boiler.viewmodels.slots.param import param as param
    from flask_boiler.viewmodels.slots.reference import ManyReference as ManyReference
    from flask_boiler.viewmodels.slots.reference import Reference as Reference
    from flask_boiler.viewmodels.slots.reference import SingleReference as SingleReference
    from flask_boiler.viewmodels.slots.reference import reference as reference
    from flask_boiler.viewmodels.slots.root import Root as Root
    from flask_boiler.viewmodels.slots.root import root as root
    from flask_boiler.viewmodels.store import Store as Store
    from flask_boiler.viewmodels.view_model import ViewModel as ViewModel
    from flask_boiler.viewmodels.view_model import store_class as store_class

__version__ = "0.1.0"

#: Where each public name is defined, by module.
_DEFINED = {
    "attrs.attribute": ("Attr",),
    "attrs.condition": ("Condition",),
    "attrs.declared_attr": ("AttributeOptions",),
    "attrs.model_state": ("OMIT", "Omit"),
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
    "operate.extension": ("Boiler",),
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
    "view.http.list_routes": ("ListGet", "ListPost"),
    "view.http.routes": (
        "InstanceDelete",
        "InstanceGet",
        "InstancePatch",
        "InstancePut",
        "RestView",
    ),
    "view.inbox.forms": ("Submission",),
    "view.inbox.marks": ("Ledger",),
    "view.inbox.patches": ("Patch", "Patches"),
    "view.mediation.keeping.handlers": ("ProtocolBase",),
    "view.mediation.mediator": ("Mediator",),
    "view.query_mediator": ("QueryMediator",),
    "view.query_task_mediator": ("QueryTaskMediator",),
    "view.rest_mediator": ("RestMediator",),
    "view.socketio.options": ("WsLimits",),
    "view.ws_mediator": ("WsMediator",),
    "viewmodels.form": ("Form", "PROBLEM_FIELD"),
    "viewmodels.mutation": ("Mutation", "carry_out"),
    "viewmodels.placed_view": ("OnDelete",),
    "viewmodels.slots.each": ("Each", "each"),
    "viewmodels.slots.param": ("Param", "param"),
    "viewmodels.slots.reference": ("ManyReference", "Reference", "SingleReference", "reference"),
    "viewmodels.slots.root": ("Root", "root"),
    "viewmodels.store": ("Store",),
    "viewmodels.view_model": ("ViewModel", "store_class"),
}

#: Modules that are names of the package themselves.
_MODULES = ("attrs", "errors", "view")

_MODULE_OF = {name: module for module, names in _DEFINED.items() for name in names}

_PUBLIC = ("__version__", *_MODULES, *_MODULE_OF)


if not TYPE_CHECKING:  # type checkers take the names from the imports at the top
    __all__ = list(_PUBLIC)

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _MODULE_OF:
            raise _unknown(name)
        module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
        value = getattr(module, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def _unknown(name: str) -> AttributeError | ImportError:
    """The error for a name that this package does not have.

    ``from flask_boiler import NAME`` drops the text of an AttributeError and tries a module of that
    name next. Unless there is such a module, it gets an ImportError that says which name was
    probably meant. Python adds that to an AttributeError itself.
    """
    from importlib.util import find_spec
    from sys import _getframe

    from flask_boiler.ground.naming import nearest

    is_imported = _getframe(2).f_code.co_name == "_handle_fromlist"
    if not is_imported or find_spec(f"{__name__}.{name}") is not None:
        return AttributeError(f"module {__name__!r} has no attribute {name!r}")
    hint = nearest(name, _PUBLIC)
    return ImportError(f"cannot import name {name!r} from {__name__!r}{hint}", name=__name__)
