"""``flask boiler``: mediators outside the web workers, what they park, their Firestore."""

from __future__ import annotations

from flask.cli import AppGroup

from flask_boiler.operate.cli.firestore import firestore_commands
from flask_boiler.operate.cli.run import run
from flask_boiler.operate.cli.tasks import tasks
from flask_boiler.operate.cli.views import views

__all__ = ["boiler_cli"]

boiler_cli = AppGroup("boiler", help="Run and inspect the mediators of flask_boiler.")
for _command in (firestore_commands, run, tasks, views):
    boiler_cli.add_command(_command)
