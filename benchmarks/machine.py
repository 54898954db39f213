"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib import metadata
from typing import Any

__all__ = ["machine"]

_PACKAGES = ("google-cloud-firestore", "grpcio", "protobuf")


def machine() -> dict[str, Any]:
    """The machine and the versions, for a report."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }
