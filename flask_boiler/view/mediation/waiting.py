"""The time for which a client's request waits for Firestore."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from flask_boiler.context.context import current_context
from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.patience import waiting_at_most

__all__ = ["waiting_as_requests_do"]


def waiting_as_requests_do() -> AbstractContextManager[None]:
    """Wait in the block no longer than ``request_timeout_s`` of the configuration says.

    Then :class:`~flask_boiler.errors.UnavailableError` is raised.
    """
    try:
        return waiting_at_most(current_context().config.request_timeout_s)
    except ConfigurationError:
        # Told to whatever asks Firestore; an answer that does not needs no configuration.
        return nullcontext()
