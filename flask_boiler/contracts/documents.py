"""The documents of what mediators serve, built from routes, events and schemas.

OpenAPI 3.0.3 for those over HTTP, AsyncAPI 3.0.0 for those over WebSocket.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_boiler.errors import MissingExtraError

__all__ = ["asyncapi_document", "openapi_document"]


def openapi_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of the REST mediators' routes, for ``json.dumps``.

    What ``app.config["SWAGGER"]`` gives is taken over, and wins: ``title``, ``version``,
    ``description``, ``info``, ``servers``, ``tags``, ``security``, ``paths``, ``components``.

    :raises MissingExtraError: apispec is not installed.
    :raises ConfigurationError: a docstring that describes an operation is not understood.
    """
    try:
        from flask_boiler.contracts.openapi.assembly import build_document
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "apispec":
            raise
        raise MissingExtraError("openapi", "openapi_document") from error
    return build_document(app, app.config.get("SWAGGER") or {})


def asyncapi_document(app: Flask, *, title: str = "", version: str = "0.0.1") -> dict[str, Any]:
    """The AsyncAPI document of the application's WebSocket mediators, for ``json.dumps``.

    :param title: the application's name, unless it is given.
    :raises MissingExtraError: apispec is not installed.
    """
    try:
        from flask_boiler.contracts.asyncapi import build_asyncapi_document
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "apispec":
            raise
        raise MissingExtraError("openapi", "asyncapi_document") from error
    from flask_boiler.view.ws_mediator import mounted_mediators

    return build_asyncapi_document(
        mounted_mediators(app), {"title": title or app.name, "version": version}
    )
