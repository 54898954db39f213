"""Context managers of things that run: what a ``with`` block starts, it also stops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from flask_boiler.callbacks import require_plain_members

__all__ = ["Startable", "Stoppable"]


class Stoppable(ABC):
    """Stops at the end of a ``with`` block, also when the block fails."""

    @abstractmethod
    def stop(self) -> None:
        """Stop; once it has, nothing happens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Startable(Stoppable):
    """Starts at the beginning of a ``with`` block, and stops at its end."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    @abstractmethod
    def start(self) -> object:
        """Start; while it runs, nothing happens."""

    def __enter__(self) -> Self:
        self.start()
        return self
