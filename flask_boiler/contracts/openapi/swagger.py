"""The document on flasgger's page, ``/apidocs``; what plays the role ``api_page``.

``Swagger(app)`` may be called before or after the routes are added, so it is handed the document
when it is first asked for it; no route can be added then any more.
"""

from __future__ import annotations

import logging
import re
import threading
from importlib.util import find_spec
from typing import Any
from weakref import WeakSet

from flask import Response, current_app, request

from flask_boiler.contracts.openapi.page_policy import PAGE_HEADERS, content_policy

__all__ = ["after_request", "before_request"]

logger = logging.getLogger(__name__)

_OPERATION_FIELDS = ["tags", "security", "deprecated", "operationId", "externalDocs"]

_WEB_FONTS = re.compile(rb'<link href="https://fonts\.googleapis\.com/[^>]*>\s*')

_lock = threading.Lock()
_complete: WeakSet[Any] = WeakSet()


def before_request() -> None:
    """Complete what flasgger is about to show; nothing where that is not flasgger."""
    swagger = getattr(current_app, "swag", None)
    if swagger is None:
        return
    with _lock:
        if swagger not in _complete:
            _complete.add(swagger)
            _complete_settings(swagger)


def after_request(response: Response) -> Response:
    """Flasgger's response, with headers that say what a browser may do with it.

    The page goes without the one thing that it would load from elsewhere, a style sheet of fonts:
    until that arrives, or fails to, a browser shows nothing.
    """
    for name, said in PAGE_HEADERS.items():
        response.headers.setdefault(name, said)
    if response.mimetype == "text/html" and not response.direct_passthrough:
        response.set_data(_WEB_FONTS.sub(b"", response.get_data()))
        swagger = getattr(current_app, "swag", None)
        document = {} if swagger is None else {**swagger.config, **(swagger.template or {})}
        policy = content_policy(response.get_data(as_text=True), document)
        response.headers.setdefault("Content-Security-Policy", policy)
    return response


def _complete_settings(swagger: Any) -> None:
    if find_spec("apispec") is None:
        logger.warning(
            "%s does not show the REST mediators: pip install 'flask-boiler[openapi]'",
            request.path,
        )
        return
    from flask_boiler.contracts.openapi.assembly import build_document

    template = swagger.template or {}
    app: Any = current_app
    document = build_document(app, {**swagger.config, **template})
    swagger.config.update(document)
    # A template's sections replace the settings' as a whole; ours have taken them over.
    if template:
        swagger.template = {**template, **{k: document[k] for k in template if k in document}}
    swagger.config["optional_oas3_fields"] = [k for k in document if k not in ("info", "paths")]
    # Its own list, for all versions, makes views of its own family invalid in this one.
    swagger.config.setdefault("optional_fields", _OPERATION_FIELDS)
    # The page writes it into a script as it is, and None is no JavaScript.
    swagger.config.setdefault("auth", {})
