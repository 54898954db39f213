"""Applying one patch: its effect and its mark in one commit, or the reason why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask_boiler.context.context import ApplicationContext
from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.errors import (
    BoilerError,
    ConflictError,
    DocumentNotFoundError,
    RefusedError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.running import execute_transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.patches import Patch, PatchCollection, Proposal
from flask_boiler.view.mediation.problems import is_askers, problem_details
from flask_boiler.viewmodels.mutation import Mutation, carry_out
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_root import ViewRoot

__all__ = ["Authorize", "PatchProcessor"]

logger = logging.getLogger(__name__)

#: Whether a patch may be applied to the view that it is for.
Authorize = Callable[[Patch, Any], bool]

_NOT_FOUND = "There is no such document, or this patch of it is not allowed."

# A document has a size, and a front end may send any number of fields.
_MOST_ERRORS = 20
_LONGEST_TEXT = 300


class PatchProcessor:
    """Applies the patches of one mediator.

    The transaction reads the patch's document, so that its commit goes through only if that is
    still as it was read: of any number of processes that try, one has the effect.
    """

    def __init__(
        self,
        context: ApplicationContext,
        collection: PatchCollection,
        root: ViewRoot[Any],
        mutation_cls: type[Mutation[Any]],
        authorize: Authorize,
    ) -> None:
        self._context = context
        self._collection = collection
        self._root = root
        self._mutation_cls = mutation_cls
        self._authorize = authorize
        self._fields = {n: a.data_key for n, a in root.view_cls.attributes().items()}

    def apply(self, path: str) -> bool:
        """Apply the patch at a path as it is now, or mark it as refused; whether either was done.

        :raises UnavailableError: Firestore could not be reached.
        :raises Exception: what is nothing of the front end's; the patch is as it was.
        """
        attempts = _Attempts()

        def attempt(transaction: Transaction) -> bool:
            return self._attempt(path, transaction, attempts)

        with self._context.activated(), reading_through(None):
            try:
                return self._execute(attempt)
            except UnavailableError:
                raise
            except BoilerError as error:
                if not _is_told(error):
                    raise
                return self._refuse_uncommitted(path, attempts, error)

    def _execute(self, attempt: Callable[[Transaction], bool]) -> bool:
        return execute_transaction(
            attempt, context=self._context, max_attempts=self._mutation_cls.max_attempts
        )

    def _attempt(self, path: str, transaction: Transaction, attempts: _Attempts) -> bool:
        proposal = self._find(path, transaction)
        if proposal is None:
            return False
        attempts.seen = proposal.snapshot
        try:
            self._carry_out(proposal)
        except BoilerError as error:
            if error.retryable or not _is_told(error):
                raise
            transaction.abandon_writes()
            problem = self._problem(error)
            transaction.write(self._collection.refusal(proposal.snapshot, problem))
        else:
            transaction.write(self._collection.approval(proposal.snapshot))
        return True

    def _find(self, path: str, transaction: Transaction) -> Proposal | None:
        return self._collection.proposal(transaction.reader.documents([path])[path])

    def _carry_out(self, proposal: Proposal) -> None:
        target_id = self._collection.target_id(proposal)
        patch = Patch(
            path=proposal.snapshot.path,
            placeholders=proposal.placeholders,
            target_id=target_id,
            # Before anything is read of the target: what is said here says nothing of that.
            data=_understood(self._root.view_cls, proposal.fields),
            create_time=proposal.snapshot.create_time,
        )
        if not self._is_allowed(patch):
            raise DocumentNotFoundError(self._root.path_of(target_id), _NOT_FOUND)
        carry_out(self._mutation_cls, "patch", target_id, patch.data)

    def _is_allowed(self, patch: Patch) -> bool:
        """Whether there is a view that may be changed so; which of the two fails is not told."""
        try:
            allowed = self._authorize(patch, self._root.open(patch.target_id))
        except DocumentNotFoundError:
            return False
        return bool(require_result(allowed, "authorize"))

    def _refuse_uncommitted(self, path: str, attempts: _Attempts, error: BoilerError) -> bool:
        """Mark a patch whose commit was refused, unless it has changed meanwhile."""

        def refuse(transaction: Transaction, *, bare: bool = False) -> bool:
            proposal = self._find(path, transaction)
            seen = attempts.seen
            if (
                proposal is None
                or seen is None
                or proposal.snapshot.update_time_ns != seen.update_time_ns
            ):
                return False
            refusal = self._collection.refusal(proposal.snapshot, self._problem(error))
            transaction.write(self._collection.bare(refusal) if bare else refusal)
            return True

        logger.warning("the patch %s cannot be committed: %s", path, error)
        error = _presentable(error)
        try:
            return self._execute(refuse)
        except ValidationError:
            # Too large for a mark: then the mark takes the place of what was proposed.
            return self._execute(lambda transaction: refuse(transaction, bare=True))

    def _problem(self, error: BoilerError) -> dict[str, Any]:
        """What the front end is told."""
        named_by_field = isinstance(error, _FieldsError)
        problem = problem_details(error, {} if named_by_field else self._fields)
        problem["detail"] = problem["detail"][:_LONGEST_TEXT]
        if "errors" in problem:
            first = sorted(problem["errors"].items())[:_MOST_ERRORS]
            problem["errors"] = {
                name[:_LONGEST_TEXT]: [text[:_LONGEST_TEXT] for text in said]
                for name, said in first
            }
        return problem


class _Attempts:
    """The attempts at one patch."""

    #: The patch as the last of them saw it.
    seen: Snapshot | None = None


class _FieldsError(ValidationError):
    """Input that is wrong, by field rather than by attribute."""


def _understood(view_cls: type[ViewModel], fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return view_cls.understood(fields)
    except ValidationError as error:
        raise _FieldsError(error.messages, where=error.where) from error


def _presentable(error: BoilerError) -> BoilerError:
    """What a front end is told of a refused commit: the server's own words are not for it."""
    if isinstance(error, ConflictError):
        return RefusedError("Others changed the same data each time it was tried.")
    if isinstance(error, ValidationError):
        return ValidationError({"document": ["What it amounts to cannot be stored."]})
    return error


def _is_told(error: BoilerError) -> bool:
    return isinstance(error, ConflictError) or is_askers(error)
