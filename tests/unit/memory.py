"""Contexts whose database is in memory."""

from __future__ import annotations

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore

__all__ = ["memory_context"]


def memory_context() -> tuple[ApplicationContext, MemoryDatastore]:
    """A context whose datastore is in memory."""
    datastore = MemoryDatastore()
    return ApplicationContext(
        Config(project="memory", testing=True), datastore=datastore
    ), datastore
