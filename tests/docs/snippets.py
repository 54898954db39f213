"""Code blocks of Markdown documents, and the comments that say how to run them.

docs/testing.md describes the convention for those who write documents.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Snippet", "documents", "snippets"]

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(?P<fence>```+)\s*(?P<language>[\w+-]*)\s*$")
_COMMENT = re.compile(r"^<!--\s*(?P<word>[\w-]+)(?:\s*:\s*(?P<argument>.+?))?\s*-->$")

#: What may be said of a snippet, and of which languages.
_MARKS = {
    "raises": {"python"},
    "program": {"python"},
    "pytest": {"python"},
    "output": {"text"},
    "file": {"yaml", "text"},
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One code block.

    :param line: the number of its first line of code in the document.
    :param mark: the word in the comment above it; empty if there is none.
    :param argument: what follows the word.
    """

    document: Path
    line: int
    language: str
    code: str
    mark: str = ""
    argument: str = ""

    @property
    def where(self) -> str:
        """The document and line, as editors understand them."""
        return f"{os.path.relpath(self.document, ROOT)}:{self.line}"


def documents() -> list[Path]:
    """Every document of the project whose code is promised to work."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(path for path in found if path.name != "CHANGELOG.md")


def snippets(document: Path) -> Iterator[Snippet]:
    """The code blocks of a document, in order.

    :raises ValueError: a comment or a fence is not of the convention.
    """
    lines = document.read_text(encoding="utf-8").splitlines()
    above = ""
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if opening is None:
            above = lines[number].strip() or above
            number += 1
            continue
        end = _closing(lines, number, opening["fence"], document)
        code = "\n".join(lines[number + 1 : end]) + "\n"
        yield _marked(Snippet(document, number + 2, opening["language"], code), above)
        above = ""
        number = end + 1


def _closing(lines: list[str], opening: int, fence: str, document: Path) -> int:
    for number in range(opening + 1, len(lines)):
        if lines[number].rstrip() == fence:
            return number
    raise ValueError(f"{document}:{opening + 1}: this code block has no end")


def _marked(snippet: Snippet, above: str) -> Snippet:
    comment = _COMMENT.match(above)
    if comment is None:
        return snippet
    mark, argument = comment["word"], comment["argument"] or ""
    if snippet.language not in _MARKS.get(mark, ()):
        raise ValueError(f"{snippet.where}: {above} means nothing above a {snippet.language} block")
    return Snippet(snippet.document, snippet.line, snippet.language, snippet.code, mark, argument)
