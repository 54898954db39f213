"""Clients of several languages that hold a view; see `holder.py` and `holder.cjs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.conversation import Conversation
from tests.e2e.node import node_packages

__all__ = ["LANGUAGES", "Holder"]

HERE = Path(__file__).parent
LANGUAGES = ("python", "javascript")


class Holder:
    """A client of one language that holds the view, in a process of its own."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @classmethod
    @contextmanager
    def of(cls, address: str, namespace: str, language: str, **options: Any) -> Iterator[Holder]:
        """One that is there while the block runs; it holds the board ``a``."""
        arguments = [address, namespace, '{"doc_id": "a"}', json.dumps(options)]
        environment: dict[str, str] = {}
        if language == "javascript":
            environment = {"NODE_PATH": str(node_packages())}
            command = ["node", str(HERE / "holder.cjs")]
        else:
            command = [sys.executable, str(HERE / "holder.py")]
        with Conversation.with_program([*command, *arguments], **environment) as conversation:
            yield cls(conversation)

    def await_count(self, count: int) -> dict[str, Any]:
        """Wait until it holds the board with this count; what it was told then."""
        return self._hear(lambda said: "told" in said and said["value"]["count"] == count)

    def answer(self, *event: Any) -> Any:
        """What the server answers to an event."""
        self._conversation.tell(emit=event)
        return self._hear(lambda said: "answer" in said)["answer"]

    def drop(self) -> None:
        """Have it lose the connection."""
        self._conversation.tell(drop=True)

    def await_return(self) -> str:
        """Wait until it has subscribed (again); how it was brought up to date."""
        return str(self._hear(lambda said: "connected" in said)["resumed"])

    def await_problem(self) -> dict[str, Any]:
        """Wait until it is told of a problem."""
        return dict(self._hear(lambda said: "problem" in said)["problem"])

    @property
    def versions(self) -> list[int]:
        """What it was told, but for being told that it missed nothing."""
        metas = [said["told"] for said in self.told]
        return [meta["version"] for meta in metas if meta["updates"] != "none"]

    @property
    def forms(self) -> set[str]:
        """In which forms it was told of changes."""
        return {said["told"]["updates"] for said in self.told}

    @property
    def told(self) -> list[dict[str, Any]]:
        """All that it was told of the view."""
        return [said for said in self._conversation.heard if "told" in said]

    @property
    def complaints(self) -> list[Any]:
        """What went wrong: patches that do not fit, and problems that it was told of."""
        return [s for s in self._conversation.heard if "gap" in s or "problem" in s]

    def _hear(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return self._conversation.hear(wanted)
