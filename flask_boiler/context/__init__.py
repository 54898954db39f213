"""The context: the Firestore that an application works with, and how.

``from flask_boiler import CTX`` is the same object by a shorter way.
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
