"""A real gRPC server in place of Firestore, for what no backend can be made to do.

``ScriptServer`` says exactly what a test tells it to. What production does at times of its own
choosing, the embedded Firestore does when it is told to: see ``flask_boiler.embedded.Faults``.
"""

from tests.scripted_firestore.script import ScriptServer

__all__ = ["ScriptServer"]
