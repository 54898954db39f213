"""The feed that drives the engine's tests, held to what the port promises of the real one."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.contracts.feed_contract import TOWNS, FeedContract
from tests.unit.engine.fakes import ScriptedDatastore, ScriptedFeed


class Driven:
    """Shows what it is told to show."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)

    def bring(self, documents: Collection[str], members: Collection[str]) -> None:
        there = [path for path in members if self.datastore.exists(path)]
        gone = [path for path in members if not self.datastore.exists(path)]
        listened = [path for path in documents if path in self.feed.wanted]
        wanted = TOWNS in self.feed.wanted
        self.feed.deliver(
            *listened,
            members={TOWNS: there} if wanted else None,
            left={TOWNS: gone} if gone else None,
        )


class TestScriptedFeed(FeedContract):
    """Driven by the test."""

    @pytest.fixture
    def source(self) -> Driven:
        return Driven()
