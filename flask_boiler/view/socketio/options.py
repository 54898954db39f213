"""The options of a subscription, and the limits that the mediator sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, TypeAlias, get_args

from flask_boiler.errors import ConfigurationError, ValidationError

__all__ = ["SubscriptionOptions", "Updates", "WsLimits"]

#: How a subscriber wants to hear of changes.
Updates: TypeAlias = Literal["full", "json-patch", "merge-patch"]

_LONGEST_INTERVAL_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class WsLimits:
    """The limits of a WebSocket mediator; each is for one process.

    :param max_subscriptions: how many subscriptions one client may hold.
    :param max_message_bytes: how large the arguments of one event may be, as JSON.
    :param min_interval_s: the least time between two updates of one subscription; a client may
        ask for a longer one. Of what changed meanwhile only the last state is sent.
    :param admissions_per_s: how many subscriptions are let in each second, so that clients that
        all come back at once do not trample what they come for; ``None`` means any number.
    :param max_connection_s: how long a client may stay connected until it is sent away, to come
        back and be authorized again; ``None`` means as long as it likes.
    :param timeout_s: how long a subscription may take until it is live.
    :param linger_s: how long a view outlives its last subscriber, for one who comes back.
    :param max_unread: how many messages may wait for a client that does not read; after that it
        gets nothing until it has read them, and then the newest state. One that asks on meanwhile
        is sent away when more wait than these and two for each of ``max_subscriptions``.
    :param history: how many versions of a view are remembered, to bring a client up to date by a
        patch rather than the whole value.
    :param history_bytes: how much they may take together, as JSON.
    """

    max_subscriptions: int = 100
    max_message_bytes: int = 64 * 1024
    min_interval_s: float = 0.0
    admissions_per_s: float | None = None
    max_connection_s: float | None = None
    timeout_s: float = 10.0
    linger_s: float = 10.0
    max_unread: int = 16
    history: int = 32
    history_bytes: int = 256 * 1024

    def __post_init__(self) -> None:
        least: dict[str, float] = {"min_interval_s": 0, "linger_s": 0, "history": 0}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                if field.default is not None:
                    raise ConfigurationError(f"WsLimits.{field.name} is None: it must be a number")
                continue
            if field.name in least or field.name == "history_bytes":
                if value < 0:
                    raise ConfigurationError(
                        f"WsLimits.{field.name} is {value}: it must not be negative"
                    )
            elif value <= 0:
                raise ConfigurationError(
                    f"WsLimits.{field.name} is {value}: it must be greater than 0"
                )

    @property
    def most_unread_answers(self) -> int:
        """The number of messages that may wait for a client that asks for more.

        It may ask for all its subscriptions at once, and each may be refused: in the
        acknowledgement, and in an event.
        """
        return 2 * self.max_subscriptions + self.max_unread


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """The second argument of ``subscribe_view_model``.

    :param updates: the form of updates.
    :param min_interval_s: the least time between two of them.
    :param version: the last version that the client holds, if it comes back.
    """

    updates: Updates = "full"
    min_interval_s: float = 0.0
    version: int | None = None

    @classmethod
    def of(cls, given: Any) -> Self:
        """The options that a client gave.

        :raises ValidationError: naming each option that is unknown or wrong.
        """
        if not isinstance(given, Mapping):
            raise ValidationError({"options": ["Expected a JSON object."]})
        known = [field.name for field in fields(cls)]
        wrong = {
            f"options.{name}": [f"Unknown option; there are {', '.join(known)}."]
            for name in given
            if name not in known
        }
        checks = (("updates", _of_updates), ("min_interval_s", _of_interval), ("version", _version))
        for name, check in checks:
            said = check(given[name]) if given.get(name) is not None else None
            if said:
                wrong[f"options.{name}"] = [said]
        if wrong:
            raise ValidationError(wrong)
        return cls(**{name: value for name, value in given.items() if value is not None})


def _of_updates(value: Any) -> str | None:
    return (
        None if value in get_args(Updates) else f"Expected one of {', '.join(get_args(Updates))}."
    )


def _of_interval(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value <= _LONGEST_INTERVAL_S:
        return None
    return f"Expected seconds, from 0 to {_LONGEST_INTERVAL_S:.0f}."


def _version(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return None
    return "Expected a version from this server."
