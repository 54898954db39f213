"""The ways to begin a transaction, and to run a function in transactions until one succeeds."""

from __future__ import annotations

import functools
import inspect
import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, overload

from flask_boiler.context.context import ApplicationContext, current_context
from flask_boiler.errors import ConflictError, DatastoreError
from flask_boiler.ground.callbacks import require_plain, require_result
from flask_boiler.ground.readers import reading_through
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.transactions.turns import Turns

__all__ = [
    "current_transaction",
    "execute_transaction",
    "joined_transaction",
    "run_transaction",
    "transaction",
]

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 2.0
#: How long one that has lost waits for others of the process that have lost the same document.
_TURN_TIMEOUT_S = 10.0
#: Of a transaction that changes more documents than this, only the first so many are waited for.
_MAX_TURNS = 20
#: A parameter of one of these names is given the transaction.
_PARAMETERS = ("transaction", "tx")

_turns = Turns()
_current: ContextVar[Transaction | None] = ContextVar("flask_boiler_transaction", default=None)


def current_transaction() -> Transaction | None:
    """The transaction that is in force here, or ``None``."""
    return _current.get()


@contextmanager
def transaction(
    *, context: ApplicationContext | None = None, locking: bool = False
) -> Iterator[Transaction]:
    """One attempt at a transaction, as a block: what it writes is committed at its end.

    Inside, everything reads and writes through the transaction. If the block raises, nothing
    is written.

    :param context: the application's; by default the current one.
    :param locking: have the server lock what is read, instead of verifying it at the end.
    :raises ConflictError: something that was read has changed; nothing was written. A block
        cannot run again: ``run_transaction`` can.
    :raises DatastoreError: a transaction is in force already.
    """
    _refuse_nesting()
    begun = Transaction(context or current_context(), locking=locking)
    token = _current.set(begun)
    try:
        with begun.context.activated(), reading_through(begun.reader):
            yield begun
    except BaseException:
        begun.rollback()
        raise
    finally:
        _current.reset(token)
    begun.commit()


@contextmanager
def joined_transaction(*, context: ApplicationContext | None = None) -> Iterator[Transaction]:
    """The transaction that is in force, which its own block commits, or else a new one."""
    current = current_transaction()
    if current is not None:
        yield current
        return
    with transaction(context=context) as begun:
        yield begun


def execute_transaction(
    function: Callable[..., R],
    *,
    context: ApplicationContext | None = None,
    max_attempts: int = 5,
    locking: bool = False,
    sleep: Callable[[float], object] | None = None,
    rng: Callable[[], float] = random.random,
) -> R:
    """The result of a function that runs in a transaction, again after a conflict.

    It does so after a pause that is never the same for two, and longer each time; and of those
    in this process that lost a race for one document, one at a time.

    :param function: takes the transaction, or nothing. It may run several times, so its only
        effects should be those of the transaction.
    :param max_attempts: after so many conflicts, the last one is raised.
    :raises ConflictError: every attempt lost.
    """
    require_plain(function, "what runs in a transaction")
    _refuse_nesting()
    if max_attempts < 1:
        raise ValueError(f"max_attempts is {max_attempts}: at least one attempt is needed")
    chosen = context or current_context()
    contested: Collection[tuple[str, ...]] = ()
    for attempt in range(1, max_attempts + 1):
        begun: Transaction | None = None
        try:
            with _turns.taken(contested, timeout_s=_TURN_TIMEOUT_S):
                with transaction(context=chosen, locking=locking) as begun:
                    result = require_result(
                        _call(function, begun), "what runs in a transaction", may_yield=True
                    )
                return result
        except ConflictError:
            if attempt == max_attempts:
                raise
        contested = () if begun is None or locking else _contested(begun)
        (sleep or _pause)(_pause_s(attempt, rng))
    raise AssertionError("unreachable")


def _contested(lost: Transaction) -> Collection[tuple[str, ...]]:
    database = lost.context.datastore.database
    return [(database, path) for path in lost.replaced[:_MAX_TURNS]]


@overload
def run_transaction(function: Callable[P, R]) -> Callable[..., R]: ...
@overload
def run_transaction(
    *, max_attempts: int = ..., locking: bool = ..., context: ApplicationContext | None = ...
) -> Callable[[Callable[P, R]], Callable[..., R]]: ...
def run_transaction(
    function: Callable[..., Any] | None = None,
    *,
    max_attempts: int = 5,
    locking: bool = False,
    context: ApplicationContext | None = None,
) -> Any:
    """Decorate a function so that it runs in its own transaction, again after a conflict.

    ::

        @run_transaction
        def move(amount, source, target): ...

        @run_transaction(max_attempts=10)
        def book(transaction, seat): ...

    A parameter named ``transaction`` or ``tx`` is given the transaction. To run a function at
    once, use ``boiler.run_transaction`` or ``execute_transaction``.

    :param max_attempts: after so many conflicts, the ConflictError is raised.
    :param locking: have the server lock what is read.
    :raises ConfigurationError: it is a coroutine function or a generator function, which would run
        after the commit.
    """
    if function is None:
        return functools.partial(
            run_transaction, max_attempts=max_attempts, locking=locking, context=context
        )

    name = getattr(function, "__qualname__", repr(function))
    require_plain(function, f"{name}, which is to run in a transaction,")

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        def call(transaction: Transaction) -> Any:
            name = _transaction_parameter(function)
            extra = {} if name is None or name in kwargs else {name: transaction}
            return function(*args, **kwargs, **extra)

        return execute_transaction(
            call, context=context, max_attempts=max_attempts, locking=locking
        )

    return run


def _call(function: Callable[..., R], begun: Transaction) -> R:
    name = _transaction_parameter(function)
    if name is not None:
        return function(**{name: begun})
    return function(begun) if _required(function) == 1 else function()


def _transaction_parameter(function: Callable[..., Any]) -> str | None:
    return next((name for name in _PARAMETERS if name in _parameters(function)), None)


def _required(function: Callable[..., Any]) -> int:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = _parameters(function).values()
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def _parameters(function: Callable[..., Any]) -> Any:
    try:
        return inspect.signature(function).parameters
    except ValueError:
        # Some built-in functions do not tell; they take no transaction either.
        return {}


def _refuse_nesting() -> None:
    if current_transaction() is not None:
        raise DatastoreError(
            "there is already a transaction here, and Firestore has no nested transactions: do "
            "this in the outer one (joined_transaction() returns it), or after it"
        )


def _pause_s(attempt: int, rng: Callable[[], float]) -> float:
    """The pause in seconds before another attempt: longer each time, and random."""
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**attempt)
    return longest * (0.5 + 0.5 * rng())


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)
