"""The public surface: what users may import, name by name.

A new name, or one that goes, is a decision; it is taken here and in the changelog.
"""

import importlib

from tests.sources import package_sources

SURFACE = {
    "flask_boiler": ["__version__"],
    "flask_boiler.attrs": [
        *("Attr", "AttributeOptions", "F", "RelationAttr"),
        *("bdict", "bproperty", "bytes_", "computed", "embed", "geo_point", "local_time"),
        *("object_type", "reference", "relation", "through", "timestamp", "vector"),
    ],
    "flask_boiler.cli": ["boiler_cli"],
    "flask_boiler.config": ["Config", "FirestoreKind", "Runtime"],
    "flask_boiler.context": [
        *("ApplicationContext", "Context", "ContextProxy", "WebSettings"),
        *("current_context", "register_resolver"),
    ],
    "flask_boiler.domain_model": ["DomainModel"],
    "flask_boiler.embedded": ["EmbeddedFirestore", "Faults"],
    "flask_boiler.emulator": [
        *("AttachedFirestore", "FirestoreProcess", "Installation", "Program"),
        *("find_installation", "start_google_emulator"),
    ],
    "flask_boiler.errors": [
        *("AuthError", "BoilerError", "ConfigurationError", "ConflictError"),
        *(
            "CyclicRelationError",
            "CyclicViewError",
            "DatastoreError",
            "DeclarationError",
            "DocumentNotFoundError",
            "DuplicateModelError",
        ),
        *("ListenError", "LocalFirestoreNotFoundError", "MaterializationError"),
        *("MissingExtraError", "MissingIndexError", "PermissionDeniedError", "QueryError"),
        *("RefusedError", "StoredDataError"),
        *("TargetRejectedError", "UnauthenticatedError", "UnavailableError", "UnknownModelError"),
        *("UnstorableError", "ValidationError"),
    ],
    "flask_boiler.extension": ["Boiler", "Mediator"],
    "flask_boiler.health": ["Health"],
    "flask_boiler.form": ["Form", "PROBLEM_FIELD"],
    "flask_boiler.local_firestore": ["EmbeddedProgram", "start_local_firestore"],
    "flask_boiler.mutation": ["Mutation", "carry_out"],
    "flask_boiler.openapi": ["asyncapi_document", "openapi_document"],
    "flask_boiler.ports": [
        *("Cut", "CutChange", "Datastore", "DocumentCodec", "Feed", "Incomplete"),
        *("LocalFirestore", "Reader", "Subscription", "provide", "provided"),
    ],
    "flask_boiler.query": ["Condition", "Page", "Query"],
    "flask_boiler.schema": ["InvalidInputError", "ModelSchema", "schema_of"],
    "flask_boiler.store": ["ManyReference", "Reference", "SingleReference", "Store", "reference"],
    "flask_boiler.testing": [],
    "flask_boiler.testing.plugin": [
        *(
            "Settle",
            "boiler",
            "boiler_app",
            "boiler_config",
            "embedded_firestore",
            "firestore_emulator",
            "settle",
        ),
        *("is_all_required", "skip_unless_required"),
    ],
    "flask_boiler.transaction": [
        *("Transaction", "current_transaction", "execute_transaction", "joined_transaction"),
        *("run_transaction", "transaction"),
    ],
    "flask_boiler.values": [
        *("CommitResult", "CompositeFilter", "Cursor", "FieldFilter", "Filter", "HasPath"),
        *("Order", "Precondition", "QuerySpec", "QueryTarget", "Snapshot", "Target", "Write"),
        *("collection_of", "document_path"),
    ],
    "flask_boiler.view": [
        *("DocumentMediator", "Ledger", "Patch", "Patches", "ProtocolBase", "QueryMediator"),
        *("QueryTaskMediator", "RestMediator", "WsLimits", "WsMediator"),
    ],
    "flask_boiler.view_model": ["OnDelete", "ViewModel", "store_class"],
}

# Rooms that only the framework itself enters; they may change at any time.
INTERNAL = {
    *(
        "changes",
        "collection",
        "declaration",
        "engine",
        "firestore",
        "lifecycle",
        "listen",
        "model",
        "model_options",
        "place_rules",
    ),
    *(
        "addresses",
        "reloader",
        "model_state",
        "naming",
        "nesting",
        "reading",
        "registry",
        "snapshot_cut",
        "stored_view",
    ),
    "callbacks",
    "json_fields",
    "json_text",
    "path_pattern",
    "path_template",
    "pool",
    "threads",
    "signals",
    "view_root",
}


def test_every_public_name_is_meant() -> None:
    exported = {name: importlib.import_module(name).__all__ for name in SURFACE}
    assert {name: sorted(members) for name, members in exported.items()} == {
        name: sorted(members) for name, members in SURFACE.items()
    }


def test_every_public_name_exists() -> None:
    assert [
        f"{name}.{member}"
        for name in SURFACE
        for member in importlib.import_module(name).__all__
        if not hasattr(importlib.import_module(name), member)
    ] == []


def test_every_room_is_public_or_internal() -> None:
    public = {name.split(".")[1] for name in SURFACE if "." in name}
    found = {source.module.split(".")[1] for source in package_sources() if "." in source.module}
    assert found == public | INTERNAL
    assert public & INTERNAL == set()
