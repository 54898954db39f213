"""The bodies of requests, read no further than they may be long."""

from __future__ import annotations

from flask import Request, current_app
from werkzeug.wsgi import LimitedStream

from flask_boiler.view.mediation.problems import Refusal

__all__ = ["bounded_body"]


def bounded_body(asked: Request, most_bytes: int) -> bytes:
    """The body of a request.

    :param most_bytes: how long it may be; what the application says (``MAX_CONTENT_LENGTH``) wins.
    :raises Refusal: it is longer.
    """
    limit = current_app.config.get("MAX_CONTENT_LENGTH") or most_bytes
    too_large = Refusal(413, f"A body has at most {limit} bytes.")
    if (asked.content_length or 0) > limit:
        raise too_large
    unknown = asked.content_length is None or "wsgi.input_terminated" in asked.environ
    if unknown and "stream" not in vars(asked):
        # Sent in chunks: no more is read than shows that it is too much.
        bounded = LimitedStream(asked.environ["wsgi.input"], limit + 1, is_max=True)
        asked.environ["wsgi.input"] = bounded
    data = asked.get_data()
    if len(data) > limit:
        raise too_large
    return data
