"""The output of demos: plain text for 80 columns, with a little colour on a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["Terminal"]

_WIDTH = 78
_MARGIN = "     "
_STYLES = {"strong": "1", "quiet": "2", "+": "32", "~": "33", "-": "31", "=": "2"}


class Terminal:
    """The output of a demo.

    :param stream: coloured if it is a terminal and ``NO_COLOR`` is not set.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.interactive = self._stream.isatty()
        self._coloured = self.interactive and not os.environ.get("NO_COLOR")
        reconfigure = getattr(self._stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that knows no arrows is to show something rather than nothing.
            reconfigure(errors="replace")

    def line(self, text: str = "") -> None:
        """Print a line as it is."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.line(f"\n  {self._styled(text, 'strong')}\n")

    def fact(self, name: str, text: str) -> None:
        """Print a name and its value."""
        self.line(f"  {self._styled(f'{name:<12}', 'quiet')}{text}")

    def answer(self, text: str) -> None:
        """Print a result, as far as it fits on a line."""
        self.line(f"{_MARGIN}{_clipped(text, _WIDTH - len(_MARGIN))}")

    def code(self, *lines: str) -> None:
        """Print code."""
        for text in lines:
            self.line(f"{_MARGIN}{self._styled(text, 'quiet')}")

    def event(self, sign: str, path: str, text: str, *, right: str = "") -> None:
        """Print what happened to a document; ``right`` is at the right edge."""
        head = f"{_MARGIN}{sign} {path:<13}"
        room = _WIDTH - len(head) - len(right) - 4
        shown = _clipped(text, room)
        head = f"{_MARGIN}{self._styled(sign, sign)} {path:<13}"
        self.line(f"{head}  {shown:<{room}}  {self._styled(right, 'quiet')}".rstrip())

    def _styled(self, text: str, style: str) -> str:
        if not self._coloured or not text or style not in _STYLES:
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
