"""Whatever is tested on a Firestore is tested on both that there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_boiler.ground.ports import LocalFirestore
from tests.firestores import FIRESTORES, running


@pytest.fixture(scope="session", params=FIRESTORES)
def firestore_emulator(request: pytest.FixtureRequest) -> Iterator[LocalFirestore]:
    """In place of the plugin's, which is one: first the embedded one, then Google's emulator."""
    with running(request.param) as local:
        yield local
