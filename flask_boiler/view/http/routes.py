"""The default views of the REST mediator: what each kind of route does with a request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol
from urllib.parse import quote

from flask import Response, current_app, request, url_for
from flask.views import View
from werkzeug.exceptions import HTTPException

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    ValidationError,
)
from flask_boiler.ground.callbacks import require_plain_members
from flask_boiler.ground.json_text import json_text
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.values import Snapshot, Target, Write
from flask_boiler.models.collection import new_id
from flask_boiler.transactions.snapshot_cut import compute_once
from flask_boiler.view.http.listing import ListQuery, filterable
from flask_boiler.view.http.preconditions import (
    AbsenceCondition,
    TagCondition,
    is_matched,
    unless_held,
)
from flask_boiler.view.http.requests import READ_TIME_HEADER, json_body, read_time_of
from flask_boiler.view.mediation.access import Access, Anybody
from flask_boiler.view.mediation.commands import (
    DELETED,
    Condition,
    MutationCommand,
    Operation,
    perform,
    telling_of_the_write,
)
from flask_boiler.view.mediation.problems import Refusal, field_names, problem_details, problem_of
from flask_boiler.view.mediation.representation import (
    REVALIDATE,
    Representation,
    computed,
    each_by_itself,
    stored,
)
from flask_boiler.view.mediation.secret_keys import RouteSeal, require_secret_key
from flask_boiler.view.mediation.waiting import waiting_as_requests_do
from flask_boiler.viewmodels.view_subject import ViewSubject

if TYPE_CHECKING:
    from flask import Blueprint, Flask

    from flask_boiler.viewmodels.mutation import Mutation
    from flask_boiler.viewmodels.view_model import ViewModel

__all__ = [
    "InstanceDelete",
    "InstanceGet",
    "InstancePatch",
    "InstancePut",
    "ListGet",
    "ListPost",
    "RestServer",
    "RestView",
]


class RestServer(Protocol):
    """The mediator of a route, as the route knows it: which views it serves, and where.

    A :class:`~flask_boiler.RestMediator` is one.
    """

    view_model_cls: type[ViewModel]
    mutation_cls: type[Mutation[Any]] | None
    app: Flask | Blueprint

    @property
    def instance_endpoint(self) -> str | None:
        """The endpoint of the first ``GET`` route of one view, if there is one."""
        ...

    def require_mutation(self) -> type[Mutation[Any]]:
        """The mutation.

        :raises ConfigurationError: there is none.
        """
        ...


class RestView(View):
    """The parent of the default views; a view of your own may build on it.

    :meth:`answer` does the work, and what it raises becomes a problem document.

    :param mediator: whose route it serves.
    """

    #: Whether it writes, and so needs a mutation.
    writes: ClassVar[bool] = False
    init_every_request = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Flask itself calls this one, and awaits what it gets.
        require_plain_members(cls, but={"dispatch_request"})

    def __init__(self, mediator: RestServer) -> None:
        self.mediator = mediator
        view_cls = mediator.view_model_cls
        #: What ids in the route mean.
        self.root: ViewSubject[Any] = ViewSubject(view_cls)
        if type(self).answer.__module__ == __name__:
            # One that answers in its own way may build the view in its own way, too.
            self.root.require_buildable()
        #: Who may do what with the views.
        self.access: Access = Anybody()
        self._fields = field_names(view_cls)
        if self.writes:
            self.mutation_cls: type[Mutation[Any]] = mediator.require_mutation()

    def dispatch_request(self, **arguments: Any) -> Response:
        """Answer the current request, if need be with a problem document.

        Firestore is waited for as long as ``request_timeout_s`` of the configuration says.
        """
        if "doc_id" in arguments:
            # A rule such as <int:doc_id> gives what the text in the path means.
            arguments["doc_id"] = str(arguments["doc_id"])
        try:
            require_secret_key(current_app)
            with waiting_as_requests_do():
                self._check_id(arguments.get("doc_id"))
                return self.answer(**arguments)
        except (BoilerError, HTTPException) as error:
            return problem_of(error, self._fields)

    def _check_id(self, doc_id: str | None) -> None:
        try:
            if doc_id is not None:
                self.root.path_of(doc_id)
        except ValidationError as error:
            said = "; ".join(itertools.chain(*error.messages.values()))
            raise Refusal(404, f"There is no such document: {said}.") from error

    def answer(self, *parts: Any, **arguments: Any) -> Response:
        """The answer to the current request, whose route has these arguments."""
        raise NotImplementedError

    def compute(self, doc_id: str) -> Representation:
        """The view as it is now: strong reads of one time, one batch for each level.

        :raises DocumentNotFoundError: there is no such root.
        """
        return computed(self.root, doc_id)

    def perform(
        self,
        operation: Operation,
        doc_id: str | None = None,
        *,
        read: Callable[[], Mapping[str, Any]] = dict,
        condition: Condition | None = None,
    ) -> Any:
        """The value that the mutation returns which carries out a command.

        :param read: gives the values by attribute name, such as :meth:`input`.
        :param condition: does the write, if something else holds, too.
        :raises BoilerError: it is refused, or fails; nothing is written.
        """
        command = MutationCommand(self.root, self.mutation_cls, operation, doc_id, read)
        return perform(command, self.access, condition)

    def answer_written(self, doc_id: str, status: int = 200) -> Response:
        """The view as it now stands, after a write.

        If it cannot be shown, a problem document that says that the write was made all the same:
        whoever sent it is not to repeat it.

        :raises DocumentNotFoundError: the root is gone again.
        """
        try:
            with telling_of_the_write(doc_id):
                shown = self.compute(doc_id)
                response = shown.response(status)
        except Refusal as told:
            # It is an answer, to which more may be added, such as where the view is.
            return problem_of(told, self._fields)
        response.headers[READ_TIME_HEADER] = str(shown.newest_ns)
        return response

    def location(self, doc_id: str) -> str:
        """The address of the view; below the path of the request, if no route shows it."""
        endpoint = self.mediator.instance_endpoint
        if endpoint is None:
            return f"{request.path.rstrip('/')}/{quote(doc_id, safe='')}"
        relative = f".{endpoint}" if request.blueprint else endpoint
        return url_for(relative, **{**(request.view_args or {}), "doc_id": doc_id})

    def input(self) -> dict[str, Any]:
        """The body's values by attribute name.

        :raises Refusal: it is too large, of another content type, or no JSON.
        :raises ValidationError: naming each field that is unknown, read-only or wrong.
        """
        body = json_body(request)
        if not isinstance(body, dict):
            raise Refusal(422, "Expected a JSON object.")
        schema = self.mediator.view_model_cls.schema(partial=True)
        given: dict[str, Any] = schema.load(body)
        return given


class InstanceGet(RestView):
    """The route of one view: the stored document, if its id tells where, or else computed.

    A request with a ``Boiler-Read-Time`` is always answered by strong reads: a stored document
    does not say how far it is.
    """

    def answer(self, *, doc_id: str, **arguments: Any) -> Response:
        """200, or 304 if what the client has is still what there is."""
        strong = read_time_of(request) is not None
        shown = (None if strong else stored(self.root, doc_id)) or self.compute(doc_id)
        tags = shown.etags
        if not is_matched(request, tags):
            raise Refusal(412, "The view has changed.")
        if request.headers.get("If-None-Match"):
            return unless_held(request, shown.response(), tags)
        # Werkzeug's own look at If-Match would answer with the view, and refuses a *.
        left_out = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}
        if strong:
            # The date that the client has may be that of a stored view, which can be later than
            # the write that it does not show yet.
            left_out.add("HTTP_IF_MODIFIED_SINCE")
        conditions = {name: v for name, v in request.environ.items() if name not in left_out}
        return shown.response().make_conditional(conditions)  # type: ignore[return-value]


class ListGet(RestView):
    """The route of the views whose roots fulfil the filters, page by page.

    All of a page is of one time, and read in one batch for each level of references. A view that
    cannot be shown keeps none of the others from being shown: its problem stands in its place.
    """

    #: Attributes of the root that may be filtered and sorted by, beside those that the view passes
    #: through; whoever may do so can find out their values.
    filters: ClassVar[tuple[str, ...]] = ()

    def __init__(self, mediator: RestServer, filters: Sequence[str] = ()) -> None:
        super().__init__(mediator)
        named = (*self.filters, *filters)
        #: The root's attributes that requests may filter and sort by, by the names of parameters.
        self.filterable = filterable(mediator.view_model_cls, self.root, named)

    def answer(self, **arguments: Any) -> Response:
        """200, with the views by their roots' keys, in order, and the problems of those that fail.

        A key is what the routes of one view take as ``doc_id``: the root's id, or its path if
        roots lie below other documents.

        :raises UnavailableError: Firestore is away, so that nothing is known of any view.
        """
        asked = ListQuery(self.root.model, self.filterable, request.args)
        seal = RouteSeal()

        def represent() -> tuple[_Views, str | None]:
            page = asked.query.snapshot_page(asked.limit, asked.page_token, seal=seal)
            return self._represent_all(page.results), page.next_page_token

        views, next_page_token = compute_once(represent, current_context().datastore)
        body: dict[str, Any] = {"results": views.shown, "next_page_token": next_page_token}
        if views.failed:
            body["errors"] = {
                doc_id: problem_details(error, self._fields)
                for doc_id, error in views.failed.items()
            }
        response = Response(json_text(body), mimetype="application/json")
        response.headers["Cache-Control"] = REVALIDATE
        return response

    def _represent_all(self, roots: Sequence[Snapshot]) -> _Views:
        """The views by key; what any of them misses is asked for together."""
        views = _Views({}, {})
        missing: set[Target] = set()
        for root in roots:
            key = self.root.key_of(root.path)
            try:
                with each_by_itself(root.path):
                    view = self.root.open_snapshot(root)
                    views.shown[key] = Representation.of_view(view).body
            except Incomplete as incomplete:
                missing |= incomplete.missing
            except BoilerError as error:
                if error.retryable:
                    raise
                views.failed[key] = error
        if missing:
            raise Incomplete(missing)
        return views


class _Views(NamedTuple):
    """The views of a page."""

    #: What is shown, by the roots' keys.
    shown: dict[str, Any]
    #: What is wrong with those that cannot be.
    failed: dict[str, BoilerError]


class ListPost(RestView):
    """The route that makes a new view."""

    writes = True

    def __init__(self, mediator: RestServer) -> None:
        super().__init__(mediator)
        if not self.mutation_cls.can_create_unnamed():
            name, model = self.mutation_cls.__name__, self.root.model.__name__
            if self.root.built_from_model:
                raise ConfigurationError(
                    f"{name}.mutate_create does not know the parent of a new {model}: define "
                    "mutate_create, or have clients use PUT with the whole path"
                )
            raise ConfigurationError(
                f"{name}.mutate_create does not know how to make the view of a new {model}, as "
                f"{self.root.view_cls.__name__}.new is the class's own: define "
                "mutate_create"
            )

    def answer(self, **arguments: Any) -> Response:
        """201, with where the view is."""
        created = self.perform("create", read=self.input)
        doc_id = self.root.key_of(self.root.of(created).doc_path)
        response = self.answer_written(doc_id, 201)
        response.headers["Location"] = self.location(doc_id)
        return response


class _InstanceWrite(RestView):
    """A route that writes one view, on condition of its tag (``If-Match``, ``If-None-Match``)."""

    writes = True

    def condition(self, doc_id: str) -> Condition | None:
        """The condition of the current request on the view's tag, if it has one."""
        if request.headers.get("If-Match") or request.headers.get("If-None-Match"):
            return TagCondition(self.root, self.mutation_cls, doc_id, request)
        return None


class InstancePut(_InstanceWrite):
    """The route that sets all that can be written of a view, or makes one if there is none."""

    def answer(self, *, doc_id: str, **arguments: Any) -> Response:
        """200, with the view as it now stands; 201 if it is new, with where it is."""
        if not self._makes_a_new_one():
            self.perform("put", doc_id, read=self.input, condition=self.condition(doc_id))
            return self.answer_written(doc_id)
        absent = AbsenceCondition(self.root, self.mutation_cls, doc_id)
        self.perform("create", doc_id, read=self.input, condition=absent)
        response = self.answer_written(doc_id, 201)
        response.headers["Location"] = self.location(doc_id)
        return response

    def location(self, doc_id: str) -> str:
        """The address of the view; the path of the request, if no route shows it."""
        return request.path if self.mediator.instance_endpoint is None else super().location(doc_id)

    def _makes_a_new_one(self) -> bool:
        """Whether the request is on condition that there is no such view."""
        only = request.if_none_match.star_tag and not request.headers.get("If-Match")
        return only and self.mutation_cls.can_create_by_put()


class InstancePatch(_InstanceWrite):
    """The route that sets some attributes of a view."""

    def answer(self, *, doc_id: str, **arguments: Any) -> Response:
        """200, with the view as it now stands."""
        self.perform("patch", doc_id, read=self.input, condition=self.condition(doc_id))
        return self.answer_written(doc_id)


class InstanceDelete(_InstanceWrite):
    """The route that deletes a view's root."""

    def answer(self, *, doc_id: str, **arguments: Any) -> Response:
        """204."""
        self.perform("delete", doc_id, condition=self.condition(doc_id))
        response = Response(status=204)
        with telling_of_the_write(doc_id, DELETED):
            response.headers[READ_TIME_HEADER] = str(_time_after())
        return response


def _time_after() -> int:
    """A time of the server's that is later than all that was written before."""
    # Deleting what is not there changes nothing; only a commit of something tells its time.
    nothing = Write("delete", f"_boiler_clock/{new_id()}")
    return current_context().datastore.commit([nothing]).commit_time_ns
