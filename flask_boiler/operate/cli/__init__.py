"""``flask boiler``: every command, each in the file of its name.

Loading one of these files imports neither Google's clients nor an application, so that ``--help``
is quick: what a command works with it imports when it runs.
"""

from __future__ import annotations

from flask_boiler.operate.cli.command_set import CommandSet

__all__ = ["boiler_cli"]

boiler_cli = CommandSet(
    "boiler",
    package=__name__,
    names=("firestore", "generate", "run", "tasks", "views", "wait"),
    help="""Run the mediators of flask_boiler, and see to what they do.

    Every command exits with 0 if all is well, 1 if something was found or could not be done, 2 if
    it was called in a way that makes no sense, or could not find out what it was asked. Ctrl-C ends
    a command with 130, and 'run' and 'firestore start' with 0, as they are meant to be ended so.
    """,
)
