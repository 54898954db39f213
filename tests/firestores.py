"""The two local Firestores that tests run on; those on Google's are of the long tier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flask_boiler.context.config import Config, FirestoreKind
from flask_boiler.errors import LocalFirestoreNotFoundError
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.local.google.installation import Installation, find_installation
from flask_boiler.local.local_firestore import start_local_firestore
from flask_boiler.operate.testing.plugin import is_all_required, skip_unless_required

__all__ = ["FIRESTORES", "GOOGLES", "found_google_installation", "running"]

#: Why a test is skipped, in a line: hundreds may be.
_NO_EMULATOR = "no Google emulator can be started here: CONTRIBUTING.md tells what it needs"


def found_google_installation() -> Installation:
    """Google's emulator; the test that asks for it is skipped where it is not installed."""
    try:
        return find_installation()
    except LocalFirestoreNotFoundError:
        skip_unless_required(_NO_EMULATOR)


def _googles() -> Any:
    marks = [pytest.mark.long]
    try:
        find_installation()
    except LocalFirestoreNotFoundError:
        if not is_all_required():
            # By a mark, they are summed up in a line for each file.
            marks.append(pytest.mark.skip(reason=_NO_EMULATOR))
    return pytest.param("google-emulator", marks=marks)


#: The parameter of tests on Google's emulator.
GOOGLES = _googles()
#: What fixtures of tests on both are parametrized with.
FIRESTORES = ["embedded", GOOGLES]


@contextmanager
def running(kind: FirestoreKind) -> Iterator[LocalFirestore]:
    """One of them, of this process alone."""
    if kind == "google-emulator":
        found_google_installation()
    with start_local_firestore(Config(testing=True, firestore=kind)) as local:
        yield local
