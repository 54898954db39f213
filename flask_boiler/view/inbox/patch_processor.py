"""The processor of patches: effect and mark in one commit, or the reason why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import (
    BoilerError,
    DocumentNotFoundError,
    RefusedError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot, Write
from flask_boiler.transactions.running import execute_transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.patches import Patch, PatchCollection, Proposal
from flask_boiler.view.mediation.access import Anybody, Change
from flask_boiler.view.mediation.commands import MutationCommand, perform
from flask_boiler.view.mediation.problems import (
    field_names,
    is_askers,
    refused_commit,
    stored_problem,
)
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["Authorize", "PatchProcessor", "ProposerAccess"]

logger = logging.getLogger(__name__)

#: Whether a patch may be applied to the view that it is for.
Authorize = Callable[[Patch, Any], bool]

_NOT_FOUND = "There is no such document, or this patch of it is not allowed."


class ProposerAccess(Anybody):
    """The access of who proposes a patch, as ``authorize`` of the mediator decides it.

    :param authorize: is asked with the patch and the view as it is before.
    """

    def __init__(self, authorize: Authorize, root: ViewSubject[Any], proposal: Proposal) -> None:
        self._authorize = authorize
        self._root = root
        self._proposal = proposal

    def require(self, change: Change) -> None:
        """Ask ``authorize``, which reads in the transaction of the patch.

        :raises DocumentNotFoundError: there is no view that may be changed so; which of the two
            fails is not told.
        :raises PermissionDeniedError: the reason that it told.
        """
        target_id = str(change.doc_id)
        snapshot = self._proposal.snapshot
        patch = Patch(
            path=snapshot.path,
            placeholders=self._proposal.placeholders,
            target_id=target_id,
            # Before anything is read of the target: what is said here says nothing of that.
            data=change.data,
            create_time=snapshot.create_time,
        )
        if not self._is_allowed(patch):
            raise DocumentNotFoundError(self._root.path_of(target_id), _NOT_FOUND)

    def _is_allowed(self, patch: Patch) -> bool:
        try:
            allowed = self._authorize(patch, self._root.open(patch.target_id))
        except (DocumentNotFoundError, NotFound):
            # Of Flask's abort(404), too: other words would tell that there is a view.
            return False
        return bool(require_result(allowed, "authorize"))


class PatchProcessor:
    """Applies the patches of one mediator.

    The transaction reads the patch's document, so that its commit goes through only if that is
    still as it was read: of any number of processes that try, one has the effect.
    """

    def __init__(
        self,
        context: ApplicationContext,
        collection: PatchCollection,
        root: ViewSubject[Any],
        mutation_cls: type[Mutation[Any]],
        authorize: Authorize,
    ) -> None:
        self._context = context
        self._collection = collection
        self._root = root
        self._mutation_cls = mutation_cls
        self._authorize = authorize
        self._fields = field_names(root.view_cls)

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
                told = refused_commit(error)
                if told is None:
                    raise
                logger.warning("the patch %s cannot be committed: %s", path, error)
                return self._refuse_uncommitted(path, attempts, told)

    def drop(self, path: str, *, also: Sequence[Write] = ()) -> bool:
        """Mark the patch at a path as refused, whatever it proposes; whether it was unmarked.

        :param also: what is written in the same commit, also if there is no such patch any more.
        :raises UnavailableError: Firestore could not be reached.
        """
        error = RefusedError("It was dropped, because it could not be applied.")
        with self._context.activated(), reading_through(None):
            return self._refuse(path, error, lambda snapshot: True, also=also)

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
            self._perform(proposal)
        except (BoilerError, HTTPException) as error:
            if not is_askers(error):
                raise
            transaction.abandon_writes()
            problem = stored_problem(error, self._fields)
            transaction.write(self._collection.refusal(proposal.snapshot, problem))
        else:
            transaction.write(self._collection.approval(proposal.snapshot))
        return True

    def _find(self, path: str, transaction: Transaction) -> Proposal | None:
        return self._collection.proposal(transaction.reader.documents([path])[path])

    def _perform(self, proposal: Proposal) -> None:
        command = MutationCommand(
            self._root,
            self._mutation_cls,
            "patch",
            self._collection.target_id(proposal),
            lambda: self._root.view_cls.understood(proposal.fields),
        )
        perform(command, ProposerAccess(self._authorize, self._root, proposal))

    def _refuse_uncommitted(self, path: str, attempts: _Attempts, error: BoilerError) -> bool:
        """Mark a patch whose commit was refused, unless it has changed meanwhile."""
        seen = attempts.seen
        if seen is None:
            return False
        return self._refuse(path, error, lambda now: now.update_time_ns == seen.update_time_ns)

    def _refuse(
        self,
        path: str,
        error: BoilerError,
        is_meant: Callable[[Snapshot], bool],
        *,
        also: Sequence[Write] = (),
    ) -> bool:
        """Mark a patch as refused if it is still one, and the one that is meant; whether it is."""

        def refuse(transaction: Transaction, *, bare: bool = False) -> bool:
            proposal = self._find(path, transaction)
            meant = proposal is not None and is_meant(proposal.snapshot)
            if proposal is not None and meant:
                problem = stored_problem(error, self._fields)
                refusal = self._collection.refusal(proposal.snapshot, problem)
                transaction.write(self._collection.bare(refusal) if bare else refusal)
            for write in also:
                transaction.write(write)
            return meant

        try:
            return self._execute(refuse)
        except ValidationError:
            # Too large for a mark: then the mark takes the place of what was proposed.
            return self._execute(lambda transaction: refuse(transaction, bare=True))


class _Attempts:
    """The attempts at one patch."""

    #: The patch as the last of them saw it.
    seen: Snapshot | None = None
