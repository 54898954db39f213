"""A real gRPC server in place of Firestore, for what no backend can be made to do.

``ScriptServer`` says exactly what a test tells it to; ``ScriptedFirestore`` is a small Firestore
in memory that keeps every promise of the protocol, and can be made to fail in all the ways that
production does.
"""

from tests.scripted_firestore.script import ScriptServer
from tests.scripted_firestore.server import ScriptedFirestore

__all__ = ["ScriptServer", "ScriptedFirestore"]
