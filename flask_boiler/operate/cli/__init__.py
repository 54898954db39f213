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
    help="""Commands for the mediators of flask_boiler and for their Firestore.

    Exit status of every command: 0 if all is well, 1 if something was found or could not be done,
    2 if the call is wrong or the answer could not be found out. After Ctrl-C it is 130; for 'run'
    and 'firestore start', which are meant to be ended so, it is 0.
    """,
)
