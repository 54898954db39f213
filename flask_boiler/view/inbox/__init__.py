"""Documents that are commands: tasks, forms and patches.

Each mediator of them has one inbox, a queue of documents. Each document has its effect once, in one
commit with the mark that says so::

    queue ──► worker: the first of each key ───┐
    CloudEvent, apply ─────────────────────────┼──► TaskProcessor ──► Attempts
    flask boiler tasks retry ──────────────────┘                         │
                                                                         ▼
    reads the document as it is now ─► effect ─► one commit: what it changed, and the mark
                                         │ refused: the mark and what its sender is told
                                         └ failed: the record that it is parked

What is queued, the effect, the mark and who is told of a refusal are declared: as :class:`Commands`
by :class:`~flask_boiler.QueryTaskMediator` and :class:`~flask_boiler.DocumentMediator`.

It imports ``view.mediation`` and what is below that.
"""
