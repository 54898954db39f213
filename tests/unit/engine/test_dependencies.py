"""The graph of who reads what."""

from __future__ import annotations

from flask_boiler.engine.memory_dependencies import MemoryDependencies
from tests.contracts.dependencies_contract import DependenciesContract


class TestMemoryDependencies(DependenciesContract):
    """In this process's memory."""

    make = staticmethod(MemoryDependencies)
