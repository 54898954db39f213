"""What is recorded of parked views, and waiting until that is so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask_boiler import Boiler
from flask_boiler.engine.parking.parked_views import VIEWS_COLLECTION, parked_in

TIMEOUT_S = 30.0


def await_recorded(boiler: Boiler, is_so: Callable[[set[str]], bool]) -> None:
    """Wait until what is recorded is so, hearing of each change from Firestore."""
    seen = threading.Condition()
    newest: list[set[str]] = []

    def hear(*_: Any) -> None:
        with seen:
            newest[:] = [recorded(boiler)]
            seen.notify_all()

    listening = boiler.context.db.collection(VIEWS_COLLECTION).on_snapshot(hear)
    try:
        with seen:
            assert seen.wait_for(lambda: bool(newest) and is_so(newest[0]), TIMEOUT_S), newest
    finally:
        listening.unsubscribe()


def recorded(boiler: Boiler) -> set[str]:
    return {str(view.key) for view in parked_in(boiler.context.datastore)[0]}
