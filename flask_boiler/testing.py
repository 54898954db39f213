"""The tools for tests of applications, beside the fixtures of the pytest plugin."""

from flask_boiler.operate.testing.memory_datastore import (
    MemoryDatastore,
    Mishap,
    answer_lost,
    memory_context,
    request_lost,
)
from flask_boiler.operate.testing.settle import Settle

__all__ = [
    "MemoryDatastore",
    "Mishap",
    "Settle",
    "answer_lost",
    "memory_context",
    "request_lost",
]
