"""Keeping a view for each document of a mediator: what is computed for one of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Protocol

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import AnyView, LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.precedence import Keep
from flask_boiler.engine.sink import Computed, Documents, DocumentSink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import names_document
from flask_boiler.view.mediation.keeping.materializer import materialize
from flask_boiler.view.mediation.keeping.notices import Notices
from flask_boiler.viewmodels.view_builder import ViewBuilder
from flask_boiler.viewmodels.view_model import ViewModel, overrides_notify

__all__ = ["Keeping", "KeptInDocuments", "Run", "ViewKeeping"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """The context, the sink and the population of a mediator that runs.

    :param keep: has views of it computed, and kept if they are new.
    """

    context: ApplicationContext
    publisher: DocumentSink
    population: Population
    keep: Keep


class Keeping(Protocol):
    """Makes what the engine keeps for each document or subject of a mediator."""

    def first_keys(self, mediator: str) -> list[ViewKey]:
        """The keys of what is kept from the start, whatever the population is."""
        ...

    def knows(self, subject: str) -> bool:
        """Whether a view may have this subject: by ``live_view``, there is something with it."""
        ...

    def live_view(self, key: ViewKey, run: Run) -> AnyView:
        """The live view with a key, which names a document or a subject."""
        ...


class KeptInDocuments:
    """The keeping of views in documents: how each is stored, and what is left of it in the end.

    :raises ConfigurationError: the view has no place.
    """

    def __init__(self, view_cls: type[ViewModel]) -> None:
        view_cls.require_place()
        view_cls.on_delete()
        self._view_cls = view_cls

    def first_keys(self, mediator: str) -> list[ViewKey]:
        """The keys of what is kept from the start, whatever the population is: of nothing."""
        return []

    def knows(self, subject: str) -> bool:
        """Whether it is the path of a document."""
        return names_document(subject)

    def _notices(self, key: ViewKey, run: Run) -> Notices | None:
        return Notices(key, run.publisher) if overrides_notify(self._view_cls) else None

    def _computed(
        self, view: ViewModel, key: ViewKey, run: Run, notices: Notices | None
    ) -> Computed[Documents]:
        try:
            documents = materialize(view, key, run.context.datastore.codec)
            if notices is not None and not notices.publishes(view, documents):
                # What was published stands, wherever it is.
                return Documents(dict.fromkeys(run.publisher.owned(key))).computed()
            adopted = documents.keys() if view.adopts() else ()
            return Documents(documents, adopted).computed()
        except Incomplete as incomplete:
            incomplete.places = _places_of(view)
            raise
        except BaseException as error:
            wanted = _places_of(view)
            if wanted is None:
                raise
            return Computed(places=wanted, error=as_exception(error, str(key)))

    def _take_leave(self, key: ViewKey, run: Run) -> Computed[Documents]:
        choice = self._view_cls.on_delete()
        if choice == "delete":
            return Documents().computed(gone=True)
        if not callable(choice):
            return Documents(dict.fromkeys(run.publisher.owned(key))).computed(gone=True)
        documents: dict[str, Any] = {}
        # Where another process has taken leave already, what is stored is what it left.
        for place, stored in run.publisher.stored(key).items():
            left = choice(stored.to_dict())
            if left is not None:
                documents[place] = run.context.datastore.codec.encode(left, where=place)
        return Documents(documents).computed(gone=True)


class ViewKeeping(KeptInDocuments):
    """Keeps one view for each document.

    :raises ConfigurationError: the view cannot be built from one document, or has no place.
    """

    def __init__(self, view_cls: type[ViewModel]) -> None:
        self._build = ViewBuilder(view_cls).build
        super().__init__(view_cls)

    def live_view(self, key: ViewKey, run: Run) -> LiveView[Documents]:
        """The view of a root, built from its newest state until the root is deleted."""
        notices = self._notices(key, run)

        def compute(reader: CutReader) -> Computed[Documents]:
            root = run.population.member(key.subject, reader.cut)
            with run.context.activated():
                if root is None:
                    return self._take_leave(key, run)
                reader.given[root.path] = root
                with reading_through(reader):
                    return self._computed(self._build(root), key, run, notices)

        return LiveView(key, compute, run.publisher)


def _places_of(view: ViewModel) -> list[str] | None:
    """The places that a view wants which cannot be computed, if at least they can be told."""
    try:
        return view.wanted_places()
    except BaseException as error:
        logger.debug("the places of a %s could not be found out: %s", type(view).__name__, error)
        return None
