"""The keys of views, and texts about views for messages."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Parked", "ViewKey"]


class ViewKey(NamedTuple):
    """The key of a view: the mediator (or view class) that keeps it, and its subject.

    >>> str(ViewKey("CityView", "City/SF"))
    'CityView:City/SF'
    """

    mediator: str
    subject: str

    def __str__(self) -> str:
        return f"{self.mediator}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Parked:
    """A view that failed and was set aside; its last published value stands.

    It is computed again on the next change of what it read, or by ``boiler.retry(key)``.

    :param since: when it failed first, by this machine's clock.
    """

    key: ViewKey
    error: Exception
    since: datetime.datetime
