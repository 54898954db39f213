"""The context: the Firestore that an application works with, and how.

Configuration, Google's clients, and the connections of one application. It imports ``firestore``
and ``ground``. ``from flask_boiler import CTX`` is the proxy of the current context.
"""

from flask_boiler.context.context import (
    ApplicationContext,
    Context,
    ContextProxy,
    WebSettings,
    current_context,
    register_resolver,
)

__all__ = [
    "ApplicationContext",
    "Context",
    "ContextProxy",
    "WebSettings",
    "current_context",
    "register_resolver",
]
