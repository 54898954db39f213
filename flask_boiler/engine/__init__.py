"""The engine: dependencies, scheduling, materializing, publishing."""

from flask_boiler.engine.runtime import Engine

__all__ = ["Engine"]
