"""The rules of routes: what stands in them, checked against what serves them."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flask import Blueprint, Flask

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.naming import nearest
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = [
    "arguments_of",
    "check_mounted",
    "lacking",
    "not_taken",
    "outer_name",
    "require_arguments",
    "require_slots",
    "taking_paths",
    "text_in_rule",
]

_ARGUMENT = re.compile(r"<(?:[^<>:]*:)?([A-Za-z_]\w*)>")
_TYPED = re.compile(r"<(?:(?P<converter>\w+)(?:\([^<>]*\))?:)?(?P<name>[A-Za-z_]\w*)>")
_OF_TEXTS = (None, "string", "default", "path")


def arguments_of(rule: str) -> list[str]:
    """The arguments in a rule, in its order."""
    return _ARGUMENT.findall(rule)


def check_mounted(app: Flask | Blueprint, rule: str, check: Callable[[str], None]) -> None:
    """Check the whole of a rule: of a blueprint when it is registered, as its prefix belongs to it.

    :param check: raises what is wrong with a rule.
    """
    if isinstance(app, Blueprint):
        app.record(lambda state: check(f"{state.url_prefix or ''}{rule}"))
    else:
        check(rule)


def outer_name(subject: ViewSubject[Any], slot: str) -> str:
    """The name that a rule best gives a slot: that of a document is with ``_id``."""
    known = subject.names_from_outside()
    return [name for name in subject.slots[slot].from_outside if known[name] == slot][-1]


def text_in_rule(subject: ViewSubject[Any], slot: str, value: Any) -> str:
    """The text of a slot, from what a converter such as ``<int:season>`` made of it."""
    if isinstance(value, str):
        return value
    declared = subject.slots[slot]
    if isinstance(declared, Param) and type(value) is not int:
        try:
            return declared.type.text_of(value)
        except ValueError:
            # Of another type: then its text may say one.
            return str(value)
    return str(value)


def taking_paths(subject: ViewSubject[Any], rule: str) -> str:
    """The rule, in which what is named by a path may have slashes, which a text otherwise may not.

    A server decodes a path before it looks for a rule, so an encoded slash is one as well.

    :raises ConfigurationError: the rule has it converted to something that no path is.
    """
    by_path = _named_by_path(subject)

    def replaced(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in by_path:
            return found[0]
        if found["converter"] not in _OF_TEXTS:
            raise ConfigurationError(
                f"the rule {rule!r} has {found[0]}, but the documents are named by their paths: "
                f"write <path:{name}>"
            )
        return f"<path:{name}>"

    return _TYPED.sub(replaced, rule)


def require_slots(subject: ViewSubject[Any], rule: str) -> list[str]:
    """The slots that a rule names, in its order.

    :raises ConfigurationError: it names one twice, or what is named by a path where that cannot be.
    """
    known = subject.names_from_outside()
    given = arguments_of(rule)
    times = Counter(known.get(name, name) for name in given)
    for slot, count in times.items():
        if count > 1:
            as_said = ", ".join(f"<{name}>" for name in given if known.get(name, name) == slot)
            raise ConfigurationError(
                f"the rule {rule!r} names {slot!r} {count} times, as {as_said}: name it once"
            )
    _require_paths_apart(subject, rule)
    return [known[name] for name in given if name in known]


def require_arguments(
    rule: str,
    given: Collection[str],
    function: Callable[..., object],
    *,
    slots: Collection[str],
    takes_any: bool,
) -> None:
    """Check that a function can be called with the arguments of a rule, by name.

    :param given: the arguments that it is called with, beside its ``self``.
    :param slots: the names that slots have in rules, one of which may be meant.
    :param takes_any: whether it may be given what it does not name, if it has ``**arguments``.
    :raises ConfigurationError: it cannot; what it has instead, or the nearest name, is told.
    """
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in given]
    if missing:
        others = set(given).difference(p.name for p in named)
        raise lacking(rule, missing, others, function)
    takes_any = takes_any and any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [name for name in given if name not in {p.name for p in named}]
    if unknown and not takes_any:
        meant = [*slots, *(p.name for p in named if p.name not in given)]
        raise not_taken(rule, unknown, meant, function)


def lacking(
    rule: str, missing: Collection[str], others: Iterable[str], function: Callable[..., object]
) -> ConfigurationError:
    """The error that a rule lacks arguments.

    :param others: those that it has instead, one of which may be misspelt.
    """
    instead = ", ".join(f"<{name}>" for name in sorted(others))
    hint = f"; it has {instead} instead" if instead else ""
    return ConfigurationError(
        f"the rule {rule!r} has no <{'>, <'.join(missing)}>, which {function.__qualname__} "
        f"needs{hint}"
    )


def not_taken(
    rule: str, unknown: list[str], known: Iterable[str], function: Callable[..., object]
) -> ConfigurationError:
    """The error that a rule has arguments that mean nothing to what serves it."""
    return ConfigurationError(
        f"the rule {rule!r} has <{'>, <'.join(unknown)}>, which {function.__qualname__} does not "
        f"take{nearest(unknown[0], known)}"
    )


def _named_by_path(subject: ViewSubject[Any]) -> set[str]:
    """The names from outside of the slots whose documents are named by their paths."""
    by_path = {slot for slot, model in subject.models.items() if model.keyed_by_path()}
    return {name for name, slot in subject.names_from_outside().items() if slot in by_path}


def _require_paths_apart(subject: ViewSubject[Any], rule: str) -> None:
    by_path = _named_by_path(subject)
    found = [each for each in _TYPED.finditer(rule) if each["name"] in by_path]
    if len(found) > 1:
        raise ConfigurationError(
            f"the rule {rule!r} has {' and '.join(each[0] for each in found)}, which are both "
            "named by their paths, and a URL does not tell where one of them ends: serve these "
            "views by a WsMediator, or give one of the slots a model without a parent"
        )
    for each in found:
        if each["converter"] != "path":
            # One in the prefix of a blueprint, which is the application's.
            raise ConfigurationError(
                f"the rule {rule!r} has {each[0]}, but the documents are named by their paths: "
                f"write <path:{each['name']}>"
            )
