"""Paths with placeholders: ``users/{uid}/bookings_POST/{booking_id}``."""

from __future__ import annotations

from collections.abc import Mapping

from flask_boiler.errors import ConfigurationError

__all__ = ["PathPattern"]


class PathPattern:
    """A path in which some segments are placeholders; each stands for one segment.

    >>> PathPattern("users/{uid}/bookings/{id}").match("users/ada/bookings/b1")
    {'uid': 'ada', 'id': 'b1'}

    :raises ConfigurationError: a segment is empty, or a placeholder is no name or comes twice.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._segments = [(_placeholder(segment), segment) for segment in text.split("/")]
        names = self.names
        wrong = [name for name in names if not name.isidentifier()]
        if not all(segment for _, segment in self._segments) or wrong:
            raise ConfigurationError(
                f"{text!r} is no path pattern: its segments are names or {{placeholders}}"
            )
        if len(set(names)) < len(names):
            raise ConfigurationError(f"{text!r} contains a placeholder twice")

    @property
    def names(self) -> list[str]:
        """The names of the placeholders, in order."""
        return [name for name, _ in self._segments if name is not None]

    @property
    def names_document(self) -> bool:
        """Whether paths that match are paths of documents, and not of collections."""
        return len(self._segments) % 2 == 0

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the placeholders in a path; ``None`` if the path does not match."""
        segments = path.split("/")
        return self._matched(segments) if len(segments) == len(self._segments) else None

    def beginning(self, path: str) -> str | None:
        """The beginning of a path that matches; ``None`` if the path begins otherwise."""
        segments = path.split("/")[: len(self._segments)]
        whole = len(segments) == len(self._segments)
        return "/".join(segments) if whole and self._matched(segments) is not None else None

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with these values of the placeholders.

        :raises KeyError: a placeholder has none.
        """
        return "/".join(
            segment if name is None else values[name] for name, segment in self._segments
        )

    def _matched(self, segments: list[str]) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for (name, expected), segment in zip(self._segments, segments, strict=True):
            if name is not None:
                found[name] = segment
            elif segment != expected:
                return None
        return found

    def __repr__(self) -> str:
        return f"PathPattern({self.text!r})"


def _placeholder(segment: str) -> str | None:
    return segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None
