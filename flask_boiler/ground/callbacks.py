"""Functions of applications that the package calls: they must be plain, for nothing is awaited.

Calling a coroutine function or a generator function runs nothing of it. What it was to do would be
skipped without a word, and whoever asks it would take the coroutine for its answer, which is true.

What one of them raises concerns what it was called for, and nothing else. Elsewhere, in a request
or in the main thread, what is no ``Exception`` is meant for who owns the thread: the server, or
whoever pressed Ctrl-C.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Collection
from typing import Any, TypeVar

from flask_boiler.errors import BoilerError, ConfigurationError, DeclarationError
from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.ground.ports import Incomplete

__all__ = [
    "as_exception",
    "is_failure",
    "misfit",
    "require_plain",
    "require_plain_members",
    "require_result",
    "storable_text",
    "words_of",
]

_LONGEST_MESSAGE = 4_000

T = TypeVar("T")

_AWAITED = (
    "{what} is {kind}, which would never run, because nothing awaits it. Make it a plain function "
    "(def), and call asynchronous code by asyncio.run(...)"
)
_ITERATED = (
    "{what} is {kind}, so calling it does not run its body: return a value, such as a list, "
    "instead of yielding"
)


def require_plain(
    function: Any,
    what: str,
    *,
    may_yield: bool = False,
    error: type[BoilerError] = ConfigurationError,
) -> None:
    """Check that a function is plain: that calling it runs its body.

    Looks through ``functools.partial``, methods, properties and objects that can be called. What is
    no function, such as ``None``, passes: whether one is needed is not the matter here.

    :param what: what the application knows it by, for the message.
    :param may_yield: what it returns is only iterated, so that a generator function will do.
    :raises BoilerError: it is a coroutine function or a generator function; of the class ``error``.
    """
    found = _function(function)
    if inspect.iscoroutinefunction(found):
        raise error(_AWAITED.format(what=what, kind="a coroutine function (async def)"))
    if inspect.isasyncgenfunction(found):
        raise error(_AWAITED.format(what=what, kind="an asynchronous generator"))
    if inspect.isgeneratorfunction(found) and not may_yield:
        raise error(_ITERATED.format(what=what, kind="a generator function (it has a yield)"))


def require_plain_members(
    cls: type,
    *,
    prefix: str | None = None,
    may_yield: Collection[str] = (),
    but: Collection[str] = (),
    error: type[BoilerError] = DeclarationError,
) -> None:
    """Check that the members of a class are plain where they replace those of this package.

    :param prefix: names that are called by their beginning, whether or not the package has them.
    :param may_yield: names whose result is only iterated.
    :param but: names that others call, who await what they get.
    :raises BoilerError: as for :func:`require_plain`.
    """
    called = {n for c in cls.__mro__ if _is_ours(c) for n in vars(c) if not n.startswith("__")}
    seen: set[str] = set(but)
    for ancestor in cls.__mro__:
        if _is_ours(ancestor):
            continue
        for name, member in vars(ancestor).items():
            wanted = name in called or (prefix is not None and name.startswith(prefix))
            if wanted and name not in seen:
                seen.add(name)
                what = f"{cls.__qualname__}.{name}"
                require_plain(member, what, may_yield=name in may_yield, error=error)


def require_result(result: T, what: str, *, may_yield: bool = False) -> T:
    """The result of a function, after a check that it is no coroutine and no generator.

    :param may_yield: it may be a generator, which is iterated.
    :raises ConfigurationError: it is one.
    """
    kind = f"a function that returns a {type(result).__name__}"
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()
        raise ConfigurationError(_AWAITED.format(what=what, kind=kind))
    if inspect.isgenerator(result) and not may_yield:
        raise ConfigurationError(_ITERATED.format(what=what, kind=kind))
    return result


def misfit(function: Any, *arguments: str, named: Collection[str] = ()) -> str | None:
    """The reason why a function cannot be called with these positional arguments, or ``None``.

    Nothing is known of functions that do not show their signature: they are taken to fit.

    :param named: arguments that are passed by name besides.
    """
    if not callable(function):
        return f"{function!r:.80} is not a function"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*arguments, **dict.fromkeys(named))
    except TypeError as error:
        name = getattr(function, "__qualname__", repr(function))
        shown = [*arguments, *(f"{each}=..." for each in named)]
        return f"{name}{signature} is called with ({', '.join(shown)}): {error}"
    return None


def is_failure(error: BaseException) -> bool:
    """Whether an exception of user code is a failure of that code, to be handled right here.

    Every ``Exception`` is. What else there is, such as ``SystemExit``, is so only on a thread of
    the framework's; and never what asks for more to be read.
    """
    if isinstance(error, Exception):
        return True
    own = isinstance(threading.current_thread(), OwnThread)
    return own and not isinstance(error, Incomplete)


def as_exception(error: BaseException, what: str) -> Exception:
    """The exception that reports a failure: itself, unless it would end whoever it is raised at.

    :param what: what raised it.
    """
    if isinstance(error, Exception):
        return error
    told = RuntimeError(f"{what} was ended by {error!r}")
    told.__cause__ = error
    return told


def _function(given: Any) -> Any:
    """The function that runs when an object is called."""
    while True:
        match given:
            case functools.partial() | functools.partialmethod() | functools.cached_property():
                given = given.func
            case staticmethod() | classmethod():
                given = given.__func__
            case property():
                given = given.fget
            case _ if inspect.ismethod(given):
                given = given.__func__
            case _ if inspect.isfunction(given) or isinstance(given, type):
                return given
            case _ if inspect.iscoroutinefunction(given):
                # An object that is marked as one, whatever its class says.
                return given
            case _:
                call = getattr(type(given), "__call__", None)  # noqa: B004 - it is looked at
                return call if inspect.isfunction(call) else None


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "flask_boiler"


def words_of(error: BaseException) -> str:
    """What an error says, shortened to what a record can hold; to ask it runs its code."""
    try:
        said = str(error)
    except BaseException as failure:
        said = f"(its message could not be read: {type(failure).__name__})"
    return storable_text(said, _LONGEST_MESSAGE)


def storable_text(text: str, longest: int) -> str:
    """The beginning of a text, without the lone surrogates that Python's texts may have."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")
