"""Conditions of requests on the view that they name: ``If-Match``, ``If-None-Match``.

The tags of a view are its representation's; here they are compared with those of a request.

The condition of a change is about the view as it is before, and is checked in the transaction that
writes. It is looked at when the write is done: what that refuses is refused whether or not the
condition holds, but for what setters refuse in the present state. So who may not change a view
learns nothing of it, not even whether it is there.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any

from flask import Request, Response
from werkzeug.datastructures import ETags

from flask_boiler.errors import (
    BoilerError,
    ConflictError,
    DocumentNotFoundError,
    RefusedError,
)
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.mediation.representation import Representation, each_by_itself
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["AbsenceCondition", "TagCondition", "is_matched", "unless_held"]


class TagCondition:
    """The condition that a view has the tag, or has not, that a request names.

    :param subject: what keys of the view mean.
    :param mutation_cls: in whose transaction it is checked.
    :param doc_id: what names the view.
    """

    def __init__(
        self,
        subject: ViewSubject[Any],
        mutation_cls: type[Mutation[Any]],
        doc_id: str,
        asked: Request,
    ) -> None:
        self._subject = subject
        self._mutation_cls = mutation_cls
        self._doc_id = doc_id
        self._asked = asked

    def __call__(self, write: Callable[[], Any]) -> Any:
        """The result of ``write``, if the condition holds.

        :raises Refusal: 412: it does not, and nothing is written.
        """
        return self._mutation_cls.atomically(lambda: self._checked(write))

    def _checked(self, write: Callable[[], Any]) -> Any:
        before = self._before()
        refused: RefusedError | None = None
        written: Any = None
        try:
            written = write()
        except RefusedError as error:
            if not error.by_setter:
                raise
            # Who may is decided, and the state is another one than they think.
            refused = error
        if isinstance(before, BoilerError):
            raise before
        if not (is_matched(self._asked, before) and _is_unheld(self._asked, before)):
            raise Refusal(
                412,
                "The view does not have the tag that the request names: get it again, and repeat "
                "the change.",
            )
        if refused is not None:
            raise refused
        return written

    def _before(self) -> list[str] | BoilerError:
        """The tags of the view, none if there is no view; or why it has no tag that could be told.

        :raises BoilerError: it is to be tried again.
        """
        identity = self._subject.identity(self._doc_id)
        try:
            with each_by_itself(identity):
                return Representation.of_view(self._subject.build(identity), subject=identity).etags
        except DocumentNotFoundError:
            return []
        except BoilerError as error:
            if error.retryable:
                raise
            return error


class AbsenceCondition:
    """The condition that there is no such view yet; of several who try at once, one makes it.

    :param subject: what keys of the view mean.
    :param mutation_cls: in whose transaction it is checked.
    :param doc_id: what is to name the view.
    """

    def __init__(
        self, subject: ViewSubject[Any], mutation_cls: type[Mutation[Any]], doc_id: str
    ) -> None:
        self._subject = subject
        self._mutation_cls = mutation_cls
        self._doc_id = doc_id

    def __call__(self, write: Callable[[], Any]) -> Any:
        """The result of ``write``, if the view's root does not exist.

        :raises Refusal: 412: it is there, and the mutation would have created it otherwise.
        """
        return self._mutation_cls.atomically(lambda: self._checked(write))

    def _checked(self, write: Callable[[], Any]) -> Any:
        there = self._subject.exists(self._doc_id)
        said = f"A {self._doc_id} exists already: get it, and change it with If-Match."
        try:
            written = write()
        except ConflictError as error:
            if there:
                # No lost race, which would be tried again.
                raise Refusal(412, said) from error
            raise
        if there:
            raise Refusal(412, said)
        return written


def is_matched(asked: Request, tags: Sequence[str]) -> bool:
    """Whether a view with these tags is what ``If-Match`` asks for; one without is not there."""
    if not asked.headers.get("If-Match"):
        return True
    return bool(tags) and _named_tag(asked.if_match, tags, weak=False) is not None


def unless_held(asked: Request, response: Response, tags: Sequence[str]) -> Response:
    """The response, or a 304 if the client holds what it would show."""
    held = _named_tag(asked.if_none_match, tags, weak=True)
    if held is not None:
        # Of an older key it may be; by another tag, the client would not find what it holds.
        response.set_etag(held)
        response.status_code = 304
    return response


def _is_unheld(asked: Request, tags: Sequence[str]) -> bool:
    """Whether a view with these tags is none that ``If-None-Match`` names."""
    if not asked.headers.get("If-None-Match"):
        return True
    return not tags or _named_tag(asked.if_none_match, tags, weak=True) is None


def _named_tag(condition: ETags, tags: Sequence[str], *, weak: bool) -> str | None:
    """The tag that a condition names, ``*`` being any; ``None`` if it names none of them.

    How long that takes tells nothing of the tags.

    :param weak: whether ``W/`` before a tag makes no difference.
    """
    if condition.star_tag:
        return tags[0]
    # Of a header that names nothing, Werkzeug has a None.
    given = [each.encode() for each in condition.as_set(include_weak=weak) if each]
    named = [
        tag for tag in tags if any([hmac.compare_digest(tag.encode(), each) for each in given])
    ]
    return named[0] if named else None
