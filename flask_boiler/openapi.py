"""The documents that describe what mediators serve: OpenAPI for HTTP, AsyncAPI for WebSocket."""

from flask_boiler.contracts.documents import asyncapi_document, openapi_document

__all__ = ["asyncapi_document", "openapi_document"]
