"""OpenAPI 3.0.3: what REST mediators serve, as a document, built from routes and schemas."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_boiler.errors import MissingExtraError

__all__ = ["openapi_document"]


def openapi_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of the REST mediators' routes, for ``json.dumps``.

    What ``app.config["SWAGGER"]`` gives is taken over, and wins: ``title``, ``version``,
    ``description``, ``info``, ``servers``, ``tags``, ``security``, ``paths``, ``components``.

    :raises MissingExtraError: apispec is not installed.
    :raises ConfigurationError: a docstring that describes an operation is not understood.
    """
    try:
        from flask_boiler.openapi.document import build_document
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "apispec":
            raise
        raise MissingExtraError("openapi", "openapi_document") from error
    return build_document(app, app.config.get("SWAGGER") or {})
