"""Clients of others that the embedded Firestore has to serve, and what shows that it does."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CHECKS = Path(__file__).parent / "checks"


class Suite(NamedTuple):
    """Tests of one package of PyPI, or of npm, all of which pass.

    :param version: its release; another one may have other tests.
    :param passing: how many they are.
    :param whose: who wrote them, and why, as the document says it.
    :param tests: what pytest runs: the package's own, or a file of ours.
    :param is_asynchronous: they need pytest-asyncio.
    """

    package: str
    version: str
    passing: int
    whose: str
    tests: tuple[str, ...]
    is_asynchronous: bool = False

    @property
    def is_of_ours(self) -> bool:
        """Whether its tests are in a file of this folder."""
        return self.tests[0].startswith(str(CHECKS))


def _of_ours(name: str) -> tuple[str, ...]:
    return (str(CHECKS / name),)


#: docs/embedded.md says the same.
SUITES = (
    Suite(
        package="firedantic",
        version="0.12.0",
        passing=151,
        whose="its own; those of indexes and expiry use a mock of Google's administration",
        tests=("--pyargs", "firedantic.tests"),
        is_asynchronous=True,
    ),
    Suite(
        package="fireo",
        version="2.2.2",
        passing=15,
        whose="written for this project; its release has none",
        tests=_of_ours("check_fireo.py"),
    ),
    Suite(
        package="firestore-pydantic-odm",
        version="1.0.22",
        passing=8,
        whose="written for this project; its own use a mock, and no server",
        tests=_of_ours("check_firestore_pydantic_odm.py"),
        is_asynchronous=True,
    ),
    Suite(
        package="langchain-google-firestore",
        version="0.5.0",
        passing=11,
        whose="written for this project; its release has none. Images are left out, because models "
        "of Google embed them",
        tests=_of_ours("check_langchain_google_firestore.py"),
    ),
)

#: In JavaScript: a program says how each check has ended.
ADMIN = Suite(
    package="firebase-admin",
    version="14.5.1",
    passing=15,
    whose="written for this project, in Node; its release has none",
    tests=_of_ours("firebase_admin.cjs"),
)
