"""A task mediator as a function: what functions-framework is pointed at."""

from __future__ import annotations

import os
from typing import Any

import functions_framework

from flask_boiler import Boiler, Config
from tests.firestore.ledgers import transfers

boiler = Boiler(
    config=Config(
        testing=True,
        project=os.environ["BOILER_PROJECT"],
        emulator_host=os.environ["BOILER_EMULATOR_HOST"],
    )
)
mediator = boiler.add(transfers(key="source"))


@functions_framework.cloud_event
def on_transfer(event: Any) -> None:
    """Apply the transfer that an event tells of."""
    mediator.cloud_event(event)
