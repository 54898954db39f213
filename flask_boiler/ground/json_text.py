"""JSON texts as RFC 8259 defines them, which have neither NaN nor infinity.

Python's ``json`` writes these as words that no other reader takes, and a page with one of them is
lost as a whole. So all JSON that leaves the framework is written here.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["canonical_json", "json_text"]


def json_text(value: Any) -> str:
    """The JSON text of a value.

    :raises ValueError: there is a number in it that JSON has not.
    :raises TypeError: there is something else in it that JSON has not.
    """
    return json.dumps(value, allow_nan=False)


def canonical_json(value: Any) -> str:
    """The JSON text of a value that is the same for equal values, without blanks.

    :raises ValueError: there is a number in it that JSON has not.
    :raises TypeError: there is something else in it that JSON has not.
    """
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))
