"""The rules of routes: what stands in them, checked against what serves them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from flask import Blueprint, Flask

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.naming import nearest

__all__ = ["require_arguments", "taking_paths"]

_DOC_ID = re.compile(r"<(?:(?P<converter>\w+)(?:\([^<>]*\))?:)?doc_id>")
_ARGUMENT = re.compile(r"<(?:[^<>:]*:)?([A-Za-z_]\w*)>")


def taking_paths(rule: str) -> str:
    """The rule with a ``doc_id`` that may have slashes, which a text otherwise may not.

    A server decodes a path before it looks for a rule, so an encoded slash is one as well.

    :raises ConfigurationError: the rule has it converted to something that no path is.
    """

    def replaced(found: re.Match[str]) -> str:
        if found["converter"] not in (None, "string", "default", "path"):
            raise ConfigurationError(
                f"the rule {rule!r} has {found[0]}, but the documents are named by their paths: "
                "write <path:doc_id>"
            )
        return "<path:doc_id>"

    return _DOC_ID.sub(replaced, rule)


def require_arguments(app: Flask | Blueprint, rule: str, function: Callable[..., object]) -> None:
    """Check that a function can be called with the arguments of a rule, by name.

    Of a blueprint that is checked when it is registered, as its prefix may have arguments, too.

    :raises ConfigurationError: it cannot; the nearest name is told.
    """
    if isinstance(app, Blueprint):
        app.record(lambda state: _require(f"{state.url_prefix or ''}{rule}", function))
    else:
        _require(rule, function)


def _require(rule: str, function: Callable[..., object]) -> None:
    given = _ARGUMENT.findall(rule)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in given]
    if missing:
        others = set(given).difference(p.name for p in named)
        hint = nearest(missing[0], others)
        raise ConfigurationError(
            f"the rule {rule!r} has no <{'>, <'.join(missing)}>, which {function.__qualname__} "
            f"needs{hint}"
        )
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [name for name in given if name not in {p.name for p in named}]
    if unknown and not takes_any:
        raise ConfigurationError(
            f"the rule {rule!r} has <{'>, <'.join(unknown)}>, which {function.__qualname__} does "
            f"not take{nearest(unknown[0], (p.name for p in named))}"
        )
