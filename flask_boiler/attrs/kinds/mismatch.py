"""The error of a value that is not of the declared kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask_boiler.errors import StoredDataError, ValidationError

__all__ = ["Mismatch", "StoredMismatch", "collect", "mismatch_of", "shown"]


class Mismatch(Exception):
    """A value is not of the declared kind.

    :param messages: what is wrong; by the dotted way to the part concerned if it is a part.
    """

    def __init__(self, messages: str | Mapping[str, Sequence[str]]) -> None:
        super().__init__(messages)
        self.messages: dict[str, list[str]] = (
            {"": [messages]}
            if isinstance(messages, str)
            else {key: list(texts) for key, texts in messages.items()}
        )

    def below(self, name: object) -> dict[str, list[str]]:
        """The messages as seen from what has the value under ``name``."""
        return {f"{name}.{key}" if key else str(name): t for key, t in self.messages.items()}

    def error(self, name: object, *, where: str = "") -> ValidationError:
        """The mismatch as an error for callers that do not know kinds.

        :param name: that of the attribute that has the value.
        """
        return ValidationError(self.below(name), where=where)


class StoredMismatch(Mismatch):
    """A value that a document has is not of the declared kind: no fault of any input."""

    def error(self, name: object, *, where: str = "") -> ValidationError:
        """A :class:`~flask_boiler.errors.StoredDataError`."""
        return StoredDataError(self.below(name), where=where)


def mismatch_of(error: ValidationError) -> Mismatch:
    """The mismatch that an error of a part is for what has the part."""
    kind = StoredMismatch if isinstance(error, StoredDataError) else Mismatch
    return kind(error.messages)


def collect(items: Sequence[tuple[Any, Any]], convert: Callable[[Any], Any]) -> list[Any]:
    """The converted values, or one :class:`Mismatch` that tells all that is wrong.

    Of what is stored wrongly, the first is told.

    :param items: names, for the messages, and values.
    """
    wrong: dict[str, list[str]] = {}
    results = []
    for name, value in items:
        try:
            results.append(convert(value))
        except StoredMismatch as mismatch:
            raise StoredMismatch(mismatch.below(name)) from mismatch
        except Mismatch as mismatch:
            wrong.update(mismatch.below(name))
    if wrong:
        raise Mismatch(wrong)
    return results


def shown(value: Any) -> str:
    """A value and its type, short enough for a message."""
    return f"{value!r:.60} ({type(value).__name__})"
