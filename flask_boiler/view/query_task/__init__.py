"""The Query+Task mediator: a document is a task, and its effect happens once.

::

    window of the queue ──► worker picks at random ──┐
    CloudEvent ──────────────────────────────────────┼──► application
    flask boiler tasks retry ────────────────────────┘        │
                                                              ▼
       reads the task as it is now ─► your code ─► one commit: what it changed, and the mark
"""

from flask_boiler.view.query_task.marks import Ledger
from flask_boiler.view.query_task.mediator import QueryTaskMediator

__all__ = ["Ledger", "QueryTaskMediator"]
