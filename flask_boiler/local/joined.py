"""A data file that another process serves already."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from flask_boiler.errors import ConfigurationError
from flask_boiler.local.attached import AttachedFirestore, pause
from flask_boiler.local.embedded.storage.file_lock import holder_of

__all__ = ["joined", "served_at"]

_log = logging.getLogger(__name__)

#: How long who has the file may take to serve it: it reads the file before.
_TIMEOUT_S = 30.0
#: How long that passes without a word.
_PATIENCE_S = 0.5


def served_at(file: str | Path) -> str | None:
    """The address ``HOST:PORT`` at which an embedded Firestore serves a data file, or ``None``.

    Who has just opened it is waited for.
    """
    begun = time.monotonic()
    told = False
    last = None
    while (holder := holder_of(file)) is not None:
        # Who has the file since a moment ago may not have said so: what is read at first may be
        # what the one before has left, who was killed.
        if holder.address is not None and holder == last:
            return holder.address
        last = holder
        waited_s = time.monotonic() - begun
        if waited_s > _TIMEOUT_S:
            return None
        if waited_s > _PATIENCE_S and not told:
            told = True
            _log.warning("waiting for %s, which has %s open, to serve it", holder, file)
        pause()
    return None


def joined(file: str) -> AttachedFirestore | None:
    """The Firestore of the process that serves a data file; ``None`` if none does.

    :raises ConfigurationError: one says that it does, and does not answer.
    """
    while (address := served_at(file)) is not None:
        try:
            found = AttachedFirestore(address, named_by=f"the address in {file}.lock")
            break
        except ConfigurationError:
            # Who served it may have ended meanwhile.
            if served_at(file) == address:
                raise
    else:
        return None
    _log.warning(
        "another process serves %s at %s, and this process uses that server for as long as it "
        "runs; 'flask boiler firestore start' runs one that does not end with either",
        file,
        address,
    )
    return found
