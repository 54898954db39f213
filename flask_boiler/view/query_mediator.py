"""The Query mediator: every document of a query's result has its view, or its handler.

Read: Document -> Document. Write: Document -> Document. At least once: a change counts as
seen only after what it causes is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.query_compiler import targets_of
from flask_boiler.ground.values import Target
from flask_boiler.view.mediation.inbox import CommandKind
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.mediation.keeping.keeping import Run
from flask_boiler.view.mediation.keeping.named_subjects import named_by
from flask_boiler.view.mediation.populated_mediator import (
    Opened,
    PopulatedMediator,
    keeping_of,
    kept_in_documents,
)
from flask_boiler.viewmodels.view_model import ViewModel, require_view_class

__all__ = ["QueryMediator"]


class QueryMediator(PopulatedMediator):
    """Keeps a view for every document of a query's result.

    ::

        mediator = QueryMediator(CityView, query=City.get_query())
        with mediator:
            ...

    Or, in the second form, calls the handlers of a ``Protocol``::

        class CityFormMediator(QueryMediator):
            class Protocol(ProtocolBase):
                @staticmethod
                def on_create(snapshot, mediator):
                    form = CityForm.new(doc_id=snapshot.id)
                    form.update_vals(with_raw=snapshot.to_dict())
                    form.propagate_change()

    A view that is of more than one document has its subjects named by ``query``::

        QueryMediator(Totals)  # neither roots nor parameters: there is one
        QueryMediator(LeagueTable, query=Match.get_query())  # for each season that a match has
        QueryMediator(TeamTable, query={"team": Team.get_query(), "season": ["2023", "2024"]})

    :param view_model_cls: the view.
    :param query: a :class:`~flask_boiler.Query`, or google's own. Its documents are the views'
        root, and their attributes of these names the parameters; one that has not set such an
        attribute names nothing. Or a mapping by slot, whose combinations there are: for a root a
        query, or a list of documents; for a parameter a list of values, or a query whose documents
        have it as an attribute, or else as their id. Who the members of an ``each`` are, its
        source says. Of a view without roots and parameters there is one, and no query.
    :param name: what its views are remembered by from one run to the next; by default the
        class of the view or mediator. Two mediators of one name cannot run together.
    :raises ConfigurationError: neither a view nor a protocol is given, or both, or the view
        cannot be built from one document, of the query's model, or has no place to be kept at.
    """

    Protocol: ClassVar[type[ProtocolBase] | None] = None

    def __init__(
        self,
        view_model_cls: type[ViewModel] | None = None,
        *,
        query: Any = None,
        name: str | None = None,
    ) -> None:
        if view_model_cls is not None:
            require_view_class(view_model_cls)
        super().__init__(name or (view_model_cls or type(self)).__name__, view_model_cls)
        self.view_model_cls = view_model_cls
        self.query = query
        self._named = named_by(view_model_cls, query) if view_model_cls is not None else None
        if view_model_cls is None and query is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs query=, which finds what its handlers are called for"
            )
        self._keeping = keeping_of(self, view_model_cls, self.Protocol, self._named)

    @property
    def command_kind(self) -> CommandKind | None:
        """The kind of documents that handlers are called with, if there are any."""
        return None if self.Protocol is None else CommandKind.HANDLER

    def _is_view(self, subject: str) -> bool:
        return self._keeping.knows(subject)

    def _targets(self, context: ApplicationContext) -> Sequence[Target]:
        return [] if self._named else targets_of(self.query, context.datastore.codec)

    def _open(self, run: Run, engine: Engine) -> Opened:
        return kept_in_documents(self._keeping, run)
