"""Whether there is room on the disk, however it is said that there is none."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

__all__ = ["has_no_room", "is_full"]

#: A full disk, a quota that is used up, a file that may not grow.
_FULL = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
#: What SQLite says of a file that cannot grow, apart from SQLITE_FULL, and of others: of the
#: file, of its log, of the index of its log, which has to be made before anything is read.
_PERHAPS_FULL = (
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_DIR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_SHMOPEN",
    "SQLITE_IOERR_SHMSIZE",
    "SQLITE_IOERR_SHMMAP",
    "SQLITE_CANTOPEN",
)
_PROBE = b"\0" * 65_536


def is_full(error: sqlite3.Error | OSError, path: str) -> bool:
    """Whether an error says, in any form, that a file cannot grow.

    :param path: the database, of which an error of SQLite's is.
    """
    if isinstance(error, OSError):
        return error.errno in _FULL
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith("SQLITE_FULL") or (name.startswith(_PERHAPS_FULL) and has_no_room(path))


def has_no_room(path: str) -> bool:
    """Whether a file beside this one cannot grow beyond its size: that is tried."""
    beside = [Path(f"{path}{kind}") for kind in ("", "-wal")]
    try:
        size = max((one.stat().st_size for one in beside if one.exists()), default=0)
        with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))) as probe:
            os.pwrite(probe.fileno(), _PROBE, size)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _FULL
    return False
