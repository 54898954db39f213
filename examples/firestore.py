"""The Firestore that a demo uses."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from flask_boiler import Config, start_local_firestore

__all__ = ["DemoFirestore", "demo_firestore"]


@dataclass(frozen=True, slots=True)
class DemoFirestore:
    """The address of the Firestore, and the configuration of an application that uses it."""

    host: str
    #: Whose it is, for people.
    told: str
    config: Config


@contextmanager
def demo_firestore(app_name: str) -> Generator[DemoFirestore]:
    """The local Firestore that the environment names, by default the embedded one.

    :raises ConfigurationError: there is none to be had.
    """
    settings = Config.from_mapping({})
    # The demo itself tells what is logged here.
    logging.getLogger("flask_boiler.embedded").setLevel(logging.ERROR)
    with start_local_firestore(settings) as local:
        if local.owned:
            told = f"{settings.chosen_firestore}, started for this demo, checks no security rules"
        else:
            # It may hold what an earlier demo left.
            app_name, told = f"{app_name}-{os.getpid()}", "found running"
        config = Config(app_name=app_name, emulator_host=local.host)
        yield DemoFirestore(local.host, told, config)
