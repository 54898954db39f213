"""The public surface: what users may import, name by name.

A new name, or one that goes, is a decision; it is taken here and in the changelog.
"""

import ast
import importlib
import re

import pytest

import flask_boiler
from tests.sources import PACKAGE, Source

#: What ``from flask_boiler import …`` gives.
NAMES = [
    "__version__",
    "ApplicationContext",
    "Attr",
    "AttributeOptions",
    "attrs",
    "Boiler",
    "carry_out",
    "Condition",
    "Config",
    "Context",
    "ContextProxy",
    "CTX",
    "current_context",
    "current_transaction",
    "DocumentMediator",
    "DomainModel",
    "each",
    "Each",
    "errors",
    "execute_transaction",
    "F",
    "FirestoreKind",
    "Form",
    "Health",
    "InstanceDelete",
    "InstanceGet",
    "InstancePatch",
    "InstancePut",
    "joined_transaction",
    "Ledger",
    "ListGet",
    "ListPost",
    "ManyReference",
    "Mediator",
    "Model",
    "Mutation",
    "OMIT",
    "Omit",
    "OnDelete",
    "Page",
    "param",
    "Param",
    "Patch",
    "Patches",
    "PROBLEM_FIELD",
    "ProtocolBase",
    "Query",
    "QueryMediator",
    "QueryTaskMediator",
    "reference",
    "Reference",
    "register_resolver",
    "RelationAttr",
    "RestMediator",
    "RestView",
    "root",
    "Root",
    "run_transaction",
    "Runtime",
    "SingleReference",
    "Snapshot",
    "start_local_firestore",
    "Store",
    "store_class",
    "Submission",
    "transaction",
    "Transaction",
    "view",
    "ViewModel",
    "WebSettings",
    "WsLimits",
    "WsMediator",
]

#: What else may be imported, by module: the names that the specification has for some, and what
#: only some applications need.
MODULES = {
    "attrs": [
        *("Attr", "AttributeOptions", "F", "RelationAttr"),
        *("bdict", "bproperty", "bytes_", "computed", "embed", "geo_point", "local_time"),
        *("object_type", "reference", "relation", "through", "timestamp", "vector"),
    ],
    "context": [
        *("ApplicationContext", "Context", "ContextProxy", "WebSettings"),
        *("current_context", "register_resolver"),
    ],
    "domain_model": ["DomainModel"],
    "embedded": [
        *("EmbeddedFirestore", "Faults", "Holder", "ListenPolicy", "StorageFailure", "holder_of"),
    ],
    "errors": [
        "AuthError",
        "BoilerError",
        "ConfigurationError",
        "ConflictError",
        "CyclicRelationError",
        "CyclicViewError",
        "DatastoreError",
        "DeclarationError",
        "DocumentNotFoundError",
        "DuplicateModelError",
        "ListenError",
        "LocalFirestoreNotFoundError",
        "MaterializationError",
        "MissingExtraError",
        "MissingIndexError",
        "PermissionDeniedError",
        "QueryError",
        "RefusedError",
        "StoredDataError",
        "TargetRejectedError",
        "UnauthenticatedError",
        "UnavailableError",
        "UnknownModelError",
        "UnstorableError",
        "ValidationError",
    ],
    "openapi": ["asyncapi_document", "openapi_document"],
    "store": [
        *("Each", "ManyReference", "Param", "Reference", "Root", "SingleReference", "Store"),
        *("each", "param", "reference", "root"),
    ],
    "testing": [
        *("MemoryDatastore", "Mishap", "Settle"),
        *("answer_lost", "memory_context", "request_lost"),
    ],
    "view": [
        *("InstanceDelete", "InstanceGet", "InstancePatch", "InstancePut"),
        *("ListGet", "ListPost", "RestView"),
        *("DocumentMediator", "Ledger", "Patch", "Patches", "ProtocolBase", "QueryMediator"),
        *("QueryTaskMediator", "RestMediator", "WsLimits", "WsMediator"),
    ],
    "view_model": ["OnDelete", "ViewModel", "store_class"],
}

#: Floors that only the framework itself enters; they may change at any time.
FLOORS = {
    *("ground", "firestore", "engine", "transactions", "local", "models", "viewmodels"),
    *("contracts", "operate"),
}


def test_every_public_name_is_meant() -> None:
    assert sorted(vars(flask_boiler)["__all__"]) == sorted(NAMES)
    assert [name for name in NAMES if not hasattr(flask_boiler, name)] == []
    assert set(NAMES) <= set(dir(flask_boiler))


def test_every_public_module_is_meant() -> None:
    exported = {name: importlib.import_module(f"flask_boiler.{name}").__all__ for name in MODULES}
    assert {name: sorted(members) for name, members in exported.items()} == {
        name: sorted(members) for name, members in MODULES.items()
    }
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    assert found - {"__init__", "__pycache__"} == MODULES.keys() | FLOORS


def test_type_checkers_see_what_is_looked_up_when_it_is_asked_for() -> None:
    source = Source(PACKAGE / "__init__.py")
    seen = {
        alias.name: node.module
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name  # which gives it again to whoever imports the package
    }
    assert seen.keys() == set(NAMES) - {"__version__"}
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(flask_boiler, name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(flask_boiler, "Bol" + "ier")
    with pytest.raises(AttributeError, match="no attribute 'Bolier'"):
        getattr(flask_boiler, "Bol" + "ier")


@pytest.mark.parametrize(
    ("misspelt", "hint"),
    [("Bolier", "; did you mean 'Boiler'?"), ("atrs", "; did you mean 'attrs'?")],
)
def test_importing_a_misspelt_name_says_what_was_meant(misspelt: str, hint: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(f"from flask_boiler import {misspelt}", {})
    assert str(caught.value) == f"cannot import name {misspelt!r} from 'flask_boiler'{hint}"


@pytest.mark.parametrize("module", sorted(MODULES.keys() | FLOORS))
def test_a_module_is_imported_although_its_name_is_near_a_public_one(module: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from flask_boiler import {module}", namespace)
    assert namespace[module] is importlib.import_module(f"flask_boiler.{module}")


def test_help_lists_every_public_name() -> None:
    _, _, listed = str(flask_boiler.__doc__).partition("imported from ``flask_boiler``::\n\n")
    group, _, _ = listed.partition("\n\n")
    labels = {line[:19].strip() for line in group.splitlines()} - {"errors"}
    names = re.findall(r"\w+", "\n".join(line[19:] for line in group.splitlines()))
    assert sorted(names) == sorted(set(NAMES) - {"__version__"})
    assert labels.isdisjoint(names)
