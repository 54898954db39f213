"""Python's regular expressions as ECMA 262 has them, which is what OpenAPI's ``pattern`` is in.

Many mean the same in both; some do when they are spelled in another way; and some mean something
else, or nothing, so that a client that read them would refuse what is taken here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["ecma_pattern"]

_SYNTAX = frozenset(r"^$\.*+?()[]{}|/")
_CONTROLS = frozenset("nrtfv")
#: Of Unicode in Python, and of ASCII in ECMA 262, unless the flag ASCII is set.
_CLASSES = frozenset("dDwW")
_QUANTIFIER = re.compile(r"\{([0-9]*)(?:(,)([0-9]*))?\}")
_GROUP = re.compile(r"\((\?:|\?=|\?!|\?<=|\?<!|\?P<\w+>|(?!\?))")


class _Untranslatable(Exception):
    """There is no telling what it means in ECMA 262."""


def ecma_pattern(regex: re.Pattern[str]) -> str | None:
    """The pattern of ECMA 262 that finds the texts which a regular expression matches.

    ``None`` if that is not certain. ``$`` is taken as the end of the text; in Python, it is also
    before a line break that ends it.
    """
    if regex.flags & ~(re.UNICODE | re.ASCII):
        return None
    try:
        reading = _Reading(regex.pattern, ascii_only=bool(regex.flags & re.ASCII))
        text = reading.translated()
    except _Untranslatable:
        return None
    # Python looks at the start of a text alone.
    return text if text.startswith("^") and not reading.has_alternatives else f"^(?:{text})"


class _Reading:
    """Reads a regular expression that Python has compiled, so that its syntax is right."""

    def __init__(self, text: str, *, ascii_only: bool) -> None:
        self._text = text
        self._at = 0
        self._ascii = ascii_only
        self._made: list[str] = []
        #: What each open group begins with.
        self._groups: list[str] = []
        #: Whether a quantifier may stand here.
        self._repeatable = False
        #: Whether there are several at the outermost level.
        self.has_alternatives = False

    def translated(self) -> str:
        while self._at < len(self._text):
            read = _READERS.get(self._text[self._at], _Reading._literal)
            read(self)
        return "".join(self._made)

    def _emit(self, made: str, length: int, *, repeatable: bool) -> None:
        self._made.append(made)
        self._at += length
        self._repeatable = repeatable

    def _literal(self) -> None:
        self._emit(self._text[self._at], 1, repeatable=True)

    def _syntax_alone(self) -> None:
        self._emit("\\" + self._text[self._at], 1, repeatable=True)

    def _anchor(self) -> None:
        self._emit(self._text[self._at], 1, repeatable=False)

    def _alternative(self) -> None:
        self.has_alternatives = self.has_alternatives or not self._groups
        self._emit("|", 1, repeatable=False)

    def _any(self) -> None:
        # ECMA 262 leaves out more line breaks.
        self._emit(r"[^\n]", 1, repeatable=True)

    def _open(self) -> None:
        found = _GROUP.match(self._text, self._at)
        if found is None:
            raise _Untranslatable
        # No group is referred to, so names say nothing.
        begun = "(" if found[1].startswith("?P") else found[0]
        self._groups.append(begun)
        self._emit(begun, len(found[0]), repeatable=False)

    def _close(self) -> None:
        begun = self._groups.pop()
        self._emit(")", 1, repeatable=begun in ("(", "(?:"))

    def _braces(self) -> None:
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None or found[0] == "{}":
            self._syntax_alone()
            return
        least, comma, most = found.groups()
        self._quantify("{" + (least or "0") + (comma or "") + (most or "") + "}", len(found[0]))

    def _sign(self) -> None:
        self._quantify(self._text[self._at], 1)

    def _quantify(self, made: str, length: int) -> None:
        if not self._repeatable:
            raise _Untranslatable
        self._emit(made, length, repeatable=False)
        following = self._text[self._at : self._at + 1]
        if following == "?":
            self._emit("?", 1, repeatable=False)
        elif following == "+":
            # Takes what it has and gives nothing back: ECMA 262 has no such thing.
            raise _Untranslatable

    def _escape(self) -> None:
        after = self._text[self._at + 1]
        if after in "AZ":
            self._emit("^" if after == "A" else "$", 2, repeatable=False)
        elif after in "bB" and self._ascii:
            self._emit("\\" + after, 2, repeatable=False)
        else:
            self._emit(*self._escaped(in_class=False), repeatable=True)

    def _escaped(self, *, in_class: bool) -> tuple[str, int]:
        """The translation of an escape sequence that stands for a character, and its length."""
        after = self._text[self._at + 1]
        whole = "\\" + after
        if after in _SYNTAX or after in _CONTROLS or (in_class and after == "-"):
            return whole, 2
        if after in _CLASSES and self._ascii:
            return whole, 2
        for kind, digits in (("x", 2), ("u", 4)):
            if after == kind:
                return self._text[self._at : self._at + 2 + digits], 2 + digits
        if after.isalnum() or after == "_" or not after.isascii():
            raise _Untranslatable
        # A backslash that changes nothing is an error in ECMA 262.
        return after, 2

    def _set(self) -> None:
        negated = self._text.startswith("[^", self._at)
        self._made.append("[^" if negated else "[")
        self._at += 2 if negated else 1
        first = True
        while first or self._text[self._at] != "]":
            character = self._text[self._at]
            if character == "\\":
                made, length = self._escaped(in_class=True)
            else:
                made, length = ("\\" + character if character in "[]" else character), 1
            self._made.append(made)
            self._at += length
            first = False
        self._emit("]", 1, repeatable=True)


_READERS: dict[str, Callable[[_Reading], None]] = {
    "\\": _Reading._escape,
    "[": _Reading._set,
    "(": _Reading._open,
    ")": _Reading._close,
    "{": _Reading._braces,
    "}": _Reading._syntax_alone,
    "]": _Reading._syntax_alone,
    "*": _Reading._sign,
    "+": _Reading._sign,
    "?": _Reading._sign,
    "^": _Reading._anchor,
    "$": _Reading._anchor,
    "|": _Reading._alternative,
    ".": _Reading._any,
}
