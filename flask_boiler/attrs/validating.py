"""Validators of one value, which tell of values of any type whether they are valid.

Marshmallow's own, and most of an application's, are made for values of some type: the length of a
number, say, is a ``TypeError``. Where an attribute has no type, or several, a client may send any.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import marshmallow
from marshmallow import validate

from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.ground.callbacks import require_result

__all__ = ["Validators", "flattened", "require_valid"]

logger = logging.getLogger(__name__)

_MISFIT = "Invalid value."
#: What functions raise on values that they are not made for.
_OF_VALUES = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)


class Validators(validate.And):
    """Several validators, of which each has to pass; one that cannot look at a value refuses it."""

    def __call__(self, value: Any) -> Any:
        """The value.

        :raises marshmallow.ValidationError: it is not valid.
        :raises ConfigurationError: a validator is a coroutine, and looked at nothing.
        """
        return validate.And(*(partial(_run, validator) for validator in self.validators))(value)


def require_valid(validators: Iterable[Callable[[Any], Any]], value: Any) -> None:
    """Check a value by validators.

    :raises Mismatch: it fails one of them.
    """
    try:
        Validators(*validators)(value)
    except marshmallow.ValidationError as error:
        raise Mismatch(flattened(error.messages)) from error


def _run(validator: Callable[[Any], Any], value: Any) -> None:
    try:
        require_result(validator(value), "a validator of an attribute")
    except _OF_VALUES as error:
        # Of what is no matter of the value, such as a database that is away, nothing is said.
        logger.info("a value of type %s is not valid: %s", type(value).__name__, error)
        raise marshmallow.ValidationError(_MISFIT) from error


def flattened(messages: Any, way: str = "") -> dict[str, list[str]]:
    """Marshmallow's nested messages by the dotted way to the part concerned."""
    if isinstance(messages, str):
        return {way: [messages]}
    if not isinstance(messages, Mapping):
        texts = [text for text in messages if isinstance(text, str)]
        rest = [part for part in messages if not isinstance(part, str)]
        flat = {way: texts} if texts else {}
        for part in rest:
            flat.update(flattened(part, way))
        return flat
    flat = {}
    for key, part in messages.items():
        here = way if key == "_schema" else f"{way}.{key}" if way else str(key)
        for place, texts in flattened(part, here).items():
            flat.setdefault(place, []).extend(texts)
    return flat
