"""Whether it is Firestore that fails, or one commit that it never takes."""

from __future__ import annotations

from flask_boiler.ground.errors import BoilerError, ConflictError
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import Write

__all__ = ["commit_probe", "takes_commits"]

_PROBE = "_boiler_clock/probe"


def commit_probe(datastore: Datastore) -> None:
    """Commit something that changes nothing.

    :raises UnavailableError: Firestore takes no commit at present.
    """
    datastore.commit([Write("delete", _PROBE)])


def takes_commits(datastore: Datastore) -> bool:
    """Whether Firestore takes a commit at all, whatever else it refuses."""
    try:
        commit_probe(datastore)
    except ConflictError:
        # Somebody else asked at the same time: that is an answer.
        return True
    except BoilerError:
        return False
    return True
