"""The default views of the REST mediator for many views: lists, and what makes a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from flask import Response, request

from flask_boiler.context.context import current_context
from flask_boiler.errors import BoilerError, ConfigurationError, DocumentNotFoundError
from flask_boiler.ground.json_text import json_text
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.values import Target
from flask_boiler.transactions.snapshot_cut import compute_once
from flask_boiler.view.http.listed_views import ListedView, ListedViews, listed_views
from flask_boiler.view.http.route_rules import arguments_of, require_slots
from flask_boiler.view.http.routes import RestServer, RestView
from flask_boiler.view.mediation.problems import problem_details
from flask_boiler.view.mediation.representation import (
    REVALIDATE,
    Representation,
    each_by_itself,
)
from flask_boiler.view.mediation.secret_keys import RouteSeal

if TYPE_CHECKING:
    from flask_boiler.attrs.attribute import Attr

__all__ = ["ListGet", "ListPost"]


class ListGet(RestView):
    """The route of many views, page by page: of the roots that fulfil the filters, or of members.

    What the rule names is the same for all of them, as the season is in ``/tables/<season>``; one
    slot varies. If that is a root, the views are those of all roots that fulfil the filters; if it
    is the member of an ``each``, those of all members.

    All of a page is of one time, and read in one batch for each level of references. A view that
    cannot be shown keeps none of the others from being shown: its problem stands in its place.
    """

    #: Attributes of the root that may be filtered and sorted by, beside those that the view passes
    #: through; whoever may do so can find out their values.
    filters: ClassVar[tuple[str, ...]] = ()

    def __init__(self, mediator: RestServer, filters: Sequence[str] = ()) -> None:
        super().__init__(mediator)
        self._filters = (*self.filters, *filters)
        self._listed: dict[frozenset[str], ListedViews] = {}
        #: What lists of a view of one root alone may be filtered and sorted by.
        self.filterable: Mapping[str, Attr[Any]] = {}
        if self.subject.is_document:
            self.filterable = self.listed(()).filterable

    def listed(self, arguments: Iterable[str]) -> ListedViews:
        """The views that there are under a rule, and what they may be filtered and sorted by.

        :param arguments: the names of the rule's arguments.
        :raises ConfigurationError: it cannot be known which views there are; with what to do.
        """
        named = frozenset(self._slots[name] for name in arguments if name in self._slots)
        if named not in self._listed:
            self._listed[named] = listed_views(self.subject, named, self._filters)
        return self._listed[named]

    def require_rule(self, rule: str) -> None:
        """Check that it can serve a rule, prefixes of blueprints included.

        :raises ConfigurationError: it has an argument that nothing takes, or does not say which
            views are to be listed.
        """
        super().require_rule(rule)
        if not self.answers_in_its_own_way:
            self.listed(arguments_of(rule))

    def answer(self, **arguments: Any) -> Response:
        """200, with the views by the keys of what varies, in order, and the problems of the others.

        A key is what the routes of one view take for the slot that this rule leaves open: an id,
        or the path if the documents lie below others. Whoever is no member has no view in it.

        :raises UnavailableError: Firestore is away, so that nothing is known of any view.
        """
        listed = self.listed(arguments)
        slots = self._slots
        fixed = self.subject.parts({slots[n]: text for n, text in arguments.items() if n in slots})
        asked = listed.asked(request.args)
        seal = RouteSeal()

        def represent() -> tuple[_Views, str | None]:
            page = listed.page(asked, fixed, seal)
            return self._represent_all(page.results), page.next_page_token

        views, next_page_token = compute_once(represent, current_context().datastore)
        body: dict[str, Any] = {"results": views.shown, "next_page_token": next_page_token}
        if views.failed:
            body["errors"] = {
                key: problem_details(error, self._fields) for key, error in views.failed.items()
            }
        response = Response(json_text(body), mimetype="application/json")
        response.headers["Cache-Control"] = REVALIDATE
        return response

    def _represent_all(self, listed: Sequence[ListedView]) -> _Views:
        """The views by key; what any of them misses is asked for together."""
        views = _Views({}, {})
        missing: set[Target] = set()
        for key, identity, build in listed:
            try:
                with each_by_itself(identity):
                    views.shown[key] = Representation.of_view(build()).body
            except Incomplete as incomplete:
                missing |= incomplete.missing
            except DocumentNotFoundError:
                # That of a member: whoever is none, or has no document, has no view.
                continue
            except BoilerError as error:
                if error.retryable:
                    raise
                views.failed[key] = error
        if missing:
            raise Incomplete(missing)
        return views


class _Views(NamedTuple):
    """The views of a page."""

    #: What is shown, by key.
    shown: dict[str, Any]
    #: What is wrong with those that cannot be.
    failed: dict[str, BoilerError]


class ListPost(RestView):
    """The route that makes a new view."""

    writes = True

    def __init__(self, mediator: RestServer) -> None:
        super().__init__(mediator)
        if not self.mutation_cls.can_create_unnamed():
            self.subject.require_document(f"{self.mutation_cls.__name__}.mutate_create")
            name, model = self.mutation_cls.__name__, self.subject.model.__name__
            if self.subject.built_from_model:
                raise ConfigurationError(
                    f"{name}.mutate_create does not know the parent of a new {model}: define "
                    "mutate_create, or have clients use PUT with the whole path"
                )
            raise ConfigurationError(
                f"{name}.mutate_create does not know how to make the view of a new {model}, as "
                f"{self.subject.view_cls.__name__}.new is the class's own: define "
                "mutate_create"
            )

    def require_rule(self, rule: str) -> None:
        """Check that it can serve a rule, prefixes of blueprints included.

        :raises ConfigurationError: it names slots, which ``mutate_create`` would not be told.
        """
        super().require_rule(rule)
        named = require_slots(self.subject, rule)
        if named and not (self.subject.is_document or self.answers_in_its_own_way):
            raise ConfigurationError(
                f"the rule {rule!r} names {', '.join(named)}, which mutate_create is not told: "
                "have it be part of what is sent, or give an own ListPost, whose answer is"
            )

    def answer(self, **arguments: Any) -> Response:
        """201, with where the view is."""
        created = self.perform("create", read=self.input)
        doc_id = self.subject.key_of_view(created)
        response = self.answer_written(doc_id, 201)
        response.headers["Location"] = self.location(doc_id)
        return response
