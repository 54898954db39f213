"""A publication: one result of a computation, on its way to the places of its view."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flask_boiler.engine.publishing.plan import Plan
from flask_boiler.engine.sink import Computed, Documents, PublishOutcome, SubmittedView
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import MaterializationError

__all__ = ["Publication", "Signal", "strange_error", "taken_error"]


@dataclass(slots=True, eq=False)
class Publication:
    """A computed value that is to be published, and how far that has got.

    :param documents: what the view is to be kept in.
    :param error: why nothing is published of it, and only places are given up.
    :param contested: the places that it was refused because they are others'.
    :param strange: the places that it was refused because of somebody else's documents.
    :param dropped: the places that it would have got, had it not failed: others may have been
        refused them for its sake.
    :param freed: the places that were given up so far.
    :param looked: what is stored at its places was looked at since it was put off last.
    :param held_since_s: when it was first put off, to be published together with others.
    :param group: those whose plans have to be of one commit with its own, itself among them.
    :param apart: such a commit was not possible: who leaves a place leaves first.
    :param leaving: its plan is only to leave; the rest of it comes after that.
    :param failures: how often a commit with it failed although Firestore could be read.
    """

    view: SubmittedView
    computed: Computed[Documents]
    done: Callable[[PublishOutcome], None]
    documents: Documents = field(init=False)
    plan: Plan = field(default_factory=Plan)
    error: Exception | None = field(init=False)
    contested: frozenset[str] = frozenset()
    strange: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()
    looked: bool = False
    held_since_s: float | None = None
    group: list[Publication] = field(default_factory=list)
    apart: bool = False
    leaving: bool = False
    ended: bool = False
    failures: int = 0

    def __post_init__(self) -> None:
        self.error = self.computed.error
        payload = self.computed.payload
        if payload is None:
            # What is stored at the places is to stay.
            payload = Documents(dict.fromkeys(self.computed.places))
        self.documents = payload

    @property
    def key(self) -> ViewKey:
        """The view that it is of."""
        return self.view.key

    @property
    def leaves_only(self) -> bool:
        """Whether its next commit only gives places up."""
        return self.leaving or self.error is not None

    def end(self, outcome: PublishOutcome) -> None:
        """Tell how it ended, once."""
        if not self.ended:
            self.ended = True
            self.done(outcome)


class Signal(enum.Enum):
    """A word to the publisher, put in its queue besides publications."""

    END = enum.auto()
    NUDGE = enum.auto()


def taken_error(key: ViewKey, taken: Mapping[str, ViewKey]) -> MaterializationError:
    """The error of a view that is refused places because others have them."""
    place, owner = min(taken.items())
    advice = "give one of them another place, or delete the root of the other one"
    named = {view.subject.rpartition("/")[2] for view in (key, owner)}
    if owner.mediator == key.mediator and len(named) == 1:
        advice = (
            "two roots in different collections have the same id, so let Meta.path name more than "
            'that, as "{root.doc_path}/views/main" does'
        )
    return MaterializationError(
        f"{key} cannot be stored at {place}: {owner} is already stored there; {advice}",
        key=key,
    )


def strange_error(key: ViewKey, places: Iterable[str]) -> MaterializationError:
    """The error of a view that is refused places because of somebody else's documents."""
    return MaterializationError(
        f"{key} cannot be stored at {min(places)}: there is a document that does not belong to the "
        "view (no record names it, and its obj_type is another), and it is not overwritten. Give "
        "the view another place, delete the document, or set Meta.adopt = True in the view's "
        "class to replace it",
        key=key,
    )
