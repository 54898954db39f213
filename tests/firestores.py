"""The two local Firestores that tests run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_boiler.config import Config, FirestoreKind
from flask_boiler.emulator import Installation, find_installation
from flask_boiler.errors import LocalFirestoreNotFoundError
from flask_boiler.local_firestore import start_local_firestore
from flask_boiler.ports import LocalFirestore
from flask_boiler.testing.plugin import skip_unless_required

__all__ = ["FIRESTORES", "google_installation", "running"]

FIRESTORES: tuple[FirestoreKind, ...] = ("embedded", "google-emulator")


def google_installation() -> Installation:
    """Google's emulator; the test that asks for it is skipped where it is not installed."""
    try:
        return find_installation()
    except LocalFirestoreNotFoundError as error:
        skip_unless_required(str(error))


@contextmanager
def running(kind: FirestoreKind) -> Iterator[LocalFirestore]:
    """One of them, of this process alone."""
    if kind == "google-emulator":
        google_installation()
    with start_local_firestore(Config(testing=True, firestore=kind)) as local:
        yield local
