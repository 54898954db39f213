"""An application whose threads are gevent's greenlets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flask_boiler.ground.ports import LocalFirestore

PROGRAM = """
from gevent import monkey

monkey.patch_all()

from flask_boiler import attrs
from flask_boiler import Config
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
    def colour(self):
        return self.store.kite.colour.upper()


boiler = Boiler(config=Config(app_name="gevent", testing=True))
boiler.add(QueryMediator(KiteView, query=Kite.get_query()))
with boiler.context.activated(), boiler:
    Kite.new(doc_id="a", colour="red").save()
    boiler.settle()
    print(CTX.db.document("kiteView/a").get().get("colour"))
boiler.close()
"""


def output(program: str, directory: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> str:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    path = directory / "kites.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(path)],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout


def test_views_are_kept_by_greenlets_with_a_firestore_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert output(PROGRAM, tmp_path, monkeypatch, "") == "RED\n"


def test_views_are_kept_by_greenlets_with_a_firestore_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, firestore_emulator: LocalFirestore
) -> None:
    program = PROGRAM.replace('"gevent"', f'"{tmp_path.name}"')
    assert output(program, tmp_path, monkeypatch, firestore_emulator.host) == "RED\n"


def test_an_application_may_have_hooked_grpc_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = "monkey.patch_all()\n\nimport grpc.experimental.gevent as hook\n\nhook.init_gevent()\n"
    program = PROGRAM.replace("monkey.patch_all()\n", hook)
    assert output(program, tmp_path, monkeypatch, "") == "RED\n"


def test_a_firestore_that_is_started_by_itself_answers_greenlets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
from gevent import monkey

monkey.patch_all()

import os

from google.cloud import firestore

from flask_boiler.embedded import EmbeddedFirestore

with EmbeddedFirestore() as server:
    os.environ["FIRESTORE_EMULATOR_HOST"] = server.host
    client = firestore.Client(project="kites")
    client.document("kites/a").set({"n": 1})
    print(client.document("kites/a").get().get("n"))
"""
    assert output(program, tmp_path, monkeypatch, "") == "1\n"
