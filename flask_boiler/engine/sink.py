"""The port through which computed views leave the engine, and what goes through it.

A computation gives a :class:`Computed` with a payload of a type of its own: documents, a patch to
apply, a queue's window, a representation to send. The view's :class:`Sink` publishes payloads of
that type, and answers everything that the engine asks about where views are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import Snapshot, Target

__all__ = [
    "Computed",
    "DocumentSink",
    "Documents",
    "PublishOutcome",
    "Sink",
    "SubmittedView",
    "ViewsAtWork",
    "Wanted",
    "WithoutPlaces",
]

P_co = TypeVar("P_co", covariant=True)
P_contra = TypeVar("P_contra", contravariant=True)


@dataclass(slots=True)
class Computed(Generic[P_co]):
    """The result of one computation of a view.

    :param payload: what is to be published; ``None`` if there is no new value.
    :param places: where the view is to be kept; the other places that it has are given up.
    :param gone: the view's root is gone: every place is given up, and the view ends.
    :param error: why there is no new value: what is stored at ``places`` stays, the other places
        are given up, and then the view is parked.
    :param reads: what was read for it; the engine says so.
    :param read_time_ns: the time of the cut that it was computed on; the engine says so.
    """

    payload: P_co | None = None
    places: Collection[str] = ()
    gone: bool = False
    error: Exception | None = None
    reads: frozenset[Target] = frozenset()
    read_time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Documents:
    """The payload of views that are kept in documents.

    :param by_place: the encoded document of each place; ``None`` leaves what is there, and, where
        the view ends, gives the place up.
    :param adopted: places at which somebody else's document may be replaced.
    """

    by_place: Mapping[str, Any] = field(default_factory=dict)
    adopted: Collection[str] = ()

    def computed(self, *, gone: bool = False) -> Computed[Self]:
        """A computation's result that keeps the view at the places of these documents."""
        return Computed(self, self.by_place.keys(), gone)


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """The end of a publication: what was written, or why it was not.

    :param written: something was published that differs from what was there.
    :param newer_than_ns: a newer value is there: compute again on a cut not older than this.
    :param error: it failed for good; the view is parked.
    :param freed: places that the view had, or would have had, and has not.
    :param contested: places that it was refused because they are other views'.
    :param strange: places that it was refused because of documents that are nobody's it knows.
    """

    written: bool = False
    freed: frozenset[str] = frozenset()
    newer_than_ns: int | None = None
    error: Exception | None = None
    contested: frozenset[str] = frozenset()
    strange: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The places that a view was refused and still wants.

    :param contested: those that other views have.
    :param strange: those with the documents of somebody else.
    """

    contested: frozenset[str] = frozenset()
    strange: frozenset[str] = frozenset()


class SubmittedView(Protocol):
    """The view that something was computed of, as its sink sees it."""

    @property
    def key(self) -> ViewKey:
        """The key of the view."""
        ...

    @property
    def discarded(self) -> bool:
        """Whether nobody keeps the view true any more, so that nothing of it is to be published."""
        ...


class Sink(Protocol[P_contra]):
    """The publisher of views whose computations give payloads of one type.

    All methods may be called from any thread. Those that ask for something are called with the
    engine's lock held, but for ``recall``: they wait for nothing.
    """

    @property
    def stalled(self) -> bool:
        """Whether nothing can be published for a while, so that waiting for it is in vain."""
        ...

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[P_contra],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Publish; never blocks. ``done`` is called once, on any thread.

        The next of the same view is submitted after that.
        """
        ...

    def recall(self, mediator: str) -> set[ViewKey]:
        """The views of a mediator that are kept at places, as earlier runs have left them.

        :raises UnavailableError: what is remembered could not be read.
        """
        ...

    def forget(self, key: ViewKey) -> None:
        """Drop what is known of a view; what is published of it stays."""
        ...

    def owned(self, key: ViewKey) -> frozenset[str]:
        """The places that a view is kept at."""
        ...

    def newest_ns(self, key: ViewKey) -> int:
        """The time when any of a view's places was last written, as far as it was seen, or 0."""
        ...

    def signs(self, wanted: Wanted) -> frozenset[str]:
        """The documents that change when refused places become free: to be listened to."""
        ...

    def is_taken(self, sign: str, key: ViewKey, cut: Cut) -> bool:
        """Whether one of the ``signs`` says that a view still cannot have its place."""
        ...

    def came_free(self, wanted: Wanted, key: ViewKey, cut: Cut) -> bool:
        """Whether a place became free before ``key`` was known to wait for it."""
        ...

    def nudge(self) -> None:
        """Look again at what waits for a view: one is computed no more, or gone."""
        ...


class ViewsAtWork(Protocol):
    """The engine, as a sink sees it that lives as long."""

    def is_coming(self, key: ViewKey, submitted: bool) -> bool:
        """Whether more of a view is to come.

        :param submitted: it has submitted something: whether it is to be computed once more.
        """
        ...

    def break_down(self, error: BaseException) -> None:
        """Note the fault of the framework's that has ended a thread."""
        ...


class DocumentSink(Sink[Documents], Protocol):
    """The sink of views that are kept in documents; it lives as long as its engine.

    :ivar documents_written: how many writes were committed.
    """

    documents_written: int

    def start(self, views: ViewsAtWork) -> None:
        """Begin to write; what is submitted is taken from now on."""
        ...

    def stop(self) -> None:
        """Publish what was submitted, unless that takes long, and end."""
        ...

    def is_news(self, key: ViewKey, documents: Mapping[str, Any]) -> bool:
        """Whether a view's documents, by place, differ from what it has there, as last seen."""
        ...

    def stored(self, key: ViewKey) -> dict[str, Snapshot]:
        """The documents at the places that are still a view's, by place; read now."""
        ...


class WithoutPlaces:
    """The answers of a sink that keeps its views at no places of the database."""

    stalled = False

    def recall(self, mediator: str) -> set[ViewKey]:
        """No views: nothing is remembered."""
        return set()

    def forget(self, key: ViewKey) -> None:
        """Do nothing: nothing is known of a view."""

    def owned(self, key: ViewKey) -> frozenset[str]:
        """No places."""
        return frozenset()

    def newest_ns(self, key: ViewKey) -> int:
        """No time, as nothing was written."""
        return 0

    def signs(self, wanted: Wanted) -> frozenset[str]:
        """No signs, as no place is refused."""
        return frozenset()

    def is_taken(self, sign: str, key: ViewKey, cut: Cut) -> bool:
        """False: no place is refused."""
        return False

    def came_free(self, wanted: Wanted, key: ViewKey, cut: Cut) -> bool:
        """False: no place was refused."""
        return False

    def nudge(self) -> None:
        """Do nothing: nothing waits for other views."""
