"""``flask boiler``: running the mediators outside the web workers, their tasks, their Firestore."""

from __future__ import annotations

from flask.cli import AppGroup

from flask_boiler.cli.firestore import firestore_commands
from flask_boiler.cli.run import run
from flask_boiler.cli.tasks import tasks

__all__ = ["boiler_cli"]

boiler_cli = AppGroup("boiler", help="Run and inspect the mediators of flask_boiler.")
for _command in (firestore_commands, run, tasks):
    boiler_cli.add_command(_command)
