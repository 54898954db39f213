"""An application for ``flask boiler run`` with a task that asks Firestore again and again."""

from __future__ import annotations

import itertools
import sys

from flask import Flask

from flask_boiler import Attr, Boiler, DomainModel, QueryTaskMediator, Transaction


class Job(DomainModel):
    title: Attr[str]

    class Meta:
        collection_name = "jobs"


def apply(task: Job, transaction: Transaction) -> None:
    sys.stderr.write(f"applying {task.doc_id}\n")
    for number in itertools.count():
        # Each is a read, so that one is under way whenever Firestore goes.
        Job.get(f"{task.doc_id}-{number}")


app = Flask(__name__)
boiler = Boiler(app)
boiler.add(QueryTaskMediator(query=Job.get_query(), on_task=apply))
