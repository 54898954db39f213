"""Documents that are commands: tasks, forms and patches.

The Document mediator: the view of one document, or the patches proposed to views.

::

    patches ──► engine: is there one to apply? ──► lanes: one target's in order ──► PatchProcessor
                   ▲                                                                      │
                   └────── applied, marked with an error, or parked ◄── one commit ───────┘

The Query+Task mediator: a document is a task, and its effect happens once.

::

    window of the queue ──► worker picks at random ──┐
    CloudEvent ──────────────────────────────────────┼──► TaskProcessor
    flask boiler tasks retry ────────────────────────┘         │
                                                               ▼
       reads the task as it is now ─► your code ─► one commit: what it changed, and the mark

It imports ``view.mediation`` and what is below that.
"""
