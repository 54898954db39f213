"""The Listen client: everything that changes in Firestore, as consistent cuts, over one stream."""

from flask_boiler.listen.hub import Hub, Statistics
from flask_boiler.listen.stream import Connection, StreamPolicy

__all__ = ["Connection", "Hub", "Statistics", "StreamPolicy"]
