"""The debug server's reloader: a process that watches files beside one that does the work."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

# Read at import: one process has the file while it loads the application, another serves it.
APPLICATION = """
from flask import Flask

from flask_boiler import attrs
from flask_boiler import CTX
from flask_boiler import DomainModel
from flask_boiler import Boiler
from flask_boiler import Store, reference
from flask_boiler import QueryMediator
from flask_boiler import ViewModel


class Kite(DomainModel):
    colour = attrs.bproperty()


class KiteStore(Store):
    kite = reference(Kite)


class KiteView(ViewModel):
    store: KiteStore

    class Meta:
        path = "kiteView/{kite.doc_id}"

    @attrs.computed
    def shown(self):
        return "first " + self.store.kite.colour


app = Flask(__name__)
app.config.update(BOILER_FIRESTORE_FILE="kites.db", BOILER_APP_NAME="kites")
boiler = Boiler(app)
boiler.add(QueryMediator(KiteView, query=Kite.get_query()))

with app.app_context():
    Kite.new(doc_id="a", colour="red").save()
    found = Kite.get("a").colour


@app.get("/view")
def view():
    boiler.settle()
    return CTX.db.document("kiteView/a").get().get("shown")


@app.get("/found")
def what_was_found():
    return found


if __name__ == "__main__":
    with boiler:
        app.run(debug=True, port=0, reloader_type="stat", reloader_interval=0.1)
"""


@contextmanager
def running(directory: Path, *command: str) -> Iterator[tuple[str, IO[str]]]:
    """The address at which a debug server answers, and what its processes print."""
    (directory / "kites.py").write_text(APPLICATION)
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        try:
            yield said(process.stdout, r"Running on (http://\S+)"), process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


def said(output: IO[str], pattern: str) -> str:
    printed = []
    for line in output:
        printed.append(line)
        if found := re.search(pattern, line):
            return found[found.lastindex or 0]
    raise AssertionError("".join(printed))


def shown(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.long
def test_mediators_around_a_debug_server_run_in_the_process_that_is_reloaded(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "kites.py") as (address, output):
        said(output, "Debugger is active")
        assert shown(f"{address}/view") == "first red"
        changed = APPLICATION.replace("first ", "second ")
        (tmp_path / "kites.py").write_text(changed)
        said(output, "Debugger is active")
        # Whoever keeps views by the old code would have them so, now and then.
        assert shown(f"{address}/view") == "second red"


def test_data_that_are_read_at_import_are_the_serving_process_own(tmp_path: Path) -> None:
    command = ("-m", "flask", "--app", "kites", "run", "--debug", "--port", "0")
    with running(tmp_path, *command) as (address, output):
        said(output, "Debugger is active")
        assert shown(f"{address}/found") == "red"
