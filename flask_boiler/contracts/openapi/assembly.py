"""The document of an application: every rule under which a REST mediator's route is mounted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from flask_boiler.contracts.openapi.links import link
from flask_boiler.contracts.openapi.operations import Operations
from flask_boiler.contracts.openapi.responses import HEADERS, REQUEST_HEADERS, problem_responses
from flask_boiler.contracts.openapi.schemas import VERSION, Schemas, json_only
from flask_boiler.contracts.openapi.url_paths import path_of
from flask_boiler.view.http.mounting import mounted_routes

__all__ = ["build_document"]

_INFO = ("title", "version", "description", "termsOfService")


def build_document(app: Flask, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The document, for ``json.dumps``.

    :param settings: what wins over what the routes say, in the form of ``app.config["SWAGGER"]``.
    """
    schemas = Schemas()
    responses = problem_responses(schemas)
    operations = Operations(schemas, secured=bool(settings.get("security")))
    paths: dict[str, Any] = {}
    for rule, route in mounted_routes(app):
        of_path = paths.setdefault(path_of(rule), {})
        # Of two under one path and method, the first is the one that answers.
        of_path.setdefault(route.method.lower(), operations.of(rule, route))
    for of_path in paths.values():
        link(of_path)
    components: dict[str, Any] = {
        "schemas": dict(schemas.named),
        "responses": responses,
        "parameters": dict(REQUEST_HEADERS),
        "headers": dict(HEADERS),
    }
    document: dict[str, Any] = {
        "openapi": settings.get("openapi") or VERSION,
        "info": _info(app, settings),
        "paths": _merged(paths, settings.get("paths")),
        "components": _merged(components, settings.get("components")),
    }
    for section in ("servers", "security", "tags", "externalDocs"):
        if settings.get(section):
            document[section] = settings[section]
    made: dict[str, Any] = json_only(document)
    return made


def _info(app: Flask, settings: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: settings[name] for name in _INFO if settings.get(name)}
    return {"title": app.name, "version": "0.0.1", **given, **(settings.get("info") or {})}


def _merged(ours: Mapping[str, Any], theirs: Any) -> dict[str, Any]:
    """The two merged, two levels deep: paths and their methods, kinds of components and names."""
    merged = {name: dict(inner) for name, inner in ours.items()}
    for name, inner in (theirs or {}).items():
        merged[name] = {**merged.get(name, {}), **inner}
    return merged
