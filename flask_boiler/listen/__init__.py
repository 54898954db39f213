"""The Listen client: everything that changes in Firestore, as consistent cuts, over one stream."""

from flask_boiler.listen.backoff import BackoffPolicy
from flask_boiler.listen.hub import Hub, Statistics
from flask_boiler.listen.stream import Connection, StreamPolicy

__all__ = ["BackoffPolicy", "Connection", "Hub", "Statistics", "StreamPolicy"]
