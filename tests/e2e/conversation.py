"""Programs that tests talk with."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

__all__ = ["Conversation"]

_TIMEOUT_S = 60.0


class Conversation:
    """What is said to a program, and by it, each a line of JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        #: All that it said so far and that was waited for.
        self.heard: list[dict[str, Any]] = []

    @classmethod
    @contextmanager
    def with_program(cls, command: list[str], **environment: str) -> Iterator[Self]:
        """With a program that is ended when the block ends."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        program = cls(process)
        try:
            yield program
        finally:
            process.kill()
            process.wait()
            program._reader.join()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def tell(self, **command: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def hear(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next thing that it says and that is wanted."""
        while True:
            said = self._said.get(timeout=_TIMEOUT_S)
            assert said is not None, f"the program ended; it had said {self.heard[-3:]}"
            self.heard.append(said)
            if wanted(said):
                return said

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)
