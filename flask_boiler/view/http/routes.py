"""The default views of the REST mediator: what the routes of one view do with a request."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import quote

from flask import Response, current_app, request, url_for
from flask.views import View
from werkzeug.exceptions import HTTPException

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    ValidationError,
)
from flask_boiler.ground.callbacks import require_plain_members
from flask_boiler.ground.values import Write
from flask_boiler.models.collection import new_id
from flask_boiler.view.http.preconditions import (
    AbsenceCondition,
    TagCondition,
    is_matched,
    unless_held,
)
from flask_boiler.view.http.requests import (
    READ_TIME_HEADER,
    json_body,
    read_time_of,
    require_utf8,
)
from flask_boiler.view.http.route_rules import (
    arguments_of,
    lacking,
    not_taken,
    outer_name,
    require_arguments,
    require_slots,
    text_in_rule,
)
from flask_boiler.view.mediation.access import Access, Anybody
from flask_boiler.view.mediation.commands import (
    DELETED,
    Condition,
    MutationCommand,
    Operation,
    perform,
    telling_of_the_write,
)
from flask_boiler.view.mediation.problems import Refusal, field_names, problem_of
from flask_boiler.view.mediation.representation import (
    Representation,
    computed,
    stored,
)
from flask_boiler.view.mediation.secret_keys import require_secret_key
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
        #: What the arguments of the route mean.
        self.subject: ViewSubject[Any] = ViewSubject(view_cls)
        self._slots = self.subject.names_from_outside()
        #: Whether it is about one view, whose key it answers by.
        self.takes_key = "doc_id" in inspect.signature(self.answer).parameters
        if not self.answers_in_its_own_way:
            # One that does may build the view in its own way, too.
            self.subject.require_buildable()
        #: Who may do what with the views.
        self.access: Access = Anybody()
        self._fields = field_names(view_cls)
        if self.writes:
            self.mutation_cls: type[Mutation[Any]] = mediator.require_mutation()

    @property
    def answers_in_its_own_way(self) -> bool:
        """Whether :meth:`answer` is another than the default's."""
        return type(self).answer.__module__.rpartition(".")[0] != __package__

    def require_rule(self, rule: str) -> None:
        """Check that it can serve a rule, prefixes of blueprints included.

        :raises ConfigurationError: the rule lacks a slot of the view's store, names one twice, or
            has an argument that nothing takes.
        """
        named = require_slots(self.subject, rule)
        given = arguments_of(rule)
        if self.takes_key:
            others = [name for name in given if name not in self._slots]
            if named or "doc_id" in others or not self.subject.slots:
                self._require_all(rule, named, others)
                given = ["doc_id", *others]
        elif not self.answers_in_its_own_way:
            given = [name for name in given if name not in self._slots]
        # Of one root alone, the application may have arguments of its own in its rules.
        takes_any = self.subject.is_document or self.answers_in_its_own_way
        require_arguments(rule, given, self.answer, slots=self._slots, takes_any=takes_any)

    def _require_all(self, rule: str, named: Sequence[str], others: Sequence[str]) -> None:
        missing = [
            outer_name(self.subject, slot) for slot in self.subject.slots if slot not in named
        ]
        if missing:
            raise lacking(rule, missing, others, self.answer)
        if "doc_id" in others:
            raise not_taken(rule, ["doc_id"], (), self.answer)

    def dispatch_request(self, **arguments: Any) -> Response:
        """Answer the current request, if need be with a problem document.

        Firestore is waited for as long as ``request_timeout_s`` of the configuration says.
        """
        try:
            require_secret_key(current_app)
            with waiting_as_requests_do():
                return self.answer(**self._understood(arguments))
        except (BoilerError, HTTPException) as error:
            return problem_of(error, self._fields)

    def _understood(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments that :meth:`answer` takes, from those of the rule.

        :raises Refusal: 404: there can be no such view.
        """
        require_utf8(request)
        slots = self._slots
        # A rule such as <int:doc_id> gives what the text in the path means.
        texts = {
            name: text_in_rule(self.subject, slots[name], value)
            for name, value in arguments.items()
            if name in slots
        }
        if not texts and self.subject.slots:
            return arguments
        try:
            if self.takes_key:
                others = {name: v for name, v in arguments.items() if name not in slots}
                return {"doc_id": self.subject.key(texts), **others}
            self.subject.parts({slots[name]: text for name, text in texts.items()})
        except ValidationError as error:
            raise self._unknown(error) from error
        return {**arguments, **texts}

    def _unknown(self, error: ValidationError) -> Refusal:
        if self.subject.is_document:
            said = "; ".join(itertools.chain(*error.messages.values()))
            return Refusal(404, f"There is no such document: {said}.")
        said = "; ".join(f"{name}: {' '.join(each)}" for name, each in error.messages.items())
        return Refusal(404, f"There is no such view: {said}")

    def answer(self, *parts: Any, **arguments: Any) -> Response:
        """The answer to the current request, whose route has these arguments."""
        raise NotImplementedError

    def compute(self, doc_id: str) -> Representation:
        """The view as it is now: strong reads of one time, one batch for each level.

        :raises DocumentNotFoundError: there is no such root.
        """
        return computed(self.subject, doc_id)

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
        command = MutationCommand(self.subject, self.mutation_cls, operation, doc_id, read)
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
        texts = self.subject.arguments(doc_id)
        if endpoint is None:
            below = "/".join(quote(text, safe="") for text in texts.values())
            return f"{request.path.rstrip('/')}/{below}"
        whole = f"{request.blueprint}.{endpoint}" if request.blueprint else endpoint
        given = request.view_args or {}
        wanted = [rule.arguments for rule in current_app.url_map.iter_rules(whole)]
        named: dict[str, Any] = {
            name: texts[self._slots[name]] if name in self._slots else given[name]
            for name in set().union(*wanted)
            if name in self._slots or name in given
        }
        return url_for(whole, **named)

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
        shown = (None if strong else stored(self.subject, doc_id)) or self.compute(doc_id)
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


class _InstanceWrite(RestView):
    """A route that writes one view, on condition of its tag (``If-Match``, ``If-None-Match``)."""

    writes = True

    def condition(self, doc_id: str) -> Condition | None:
        """The condition of the current request on the view's tag, if it has one."""
        if request.headers.get("If-Match") or request.headers.get("If-None-Match"):
            return TagCondition(self.subject, self.mutation_cls, doc_id, request)
        return None


class InstancePut(_InstanceWrite):
    """The route that sets all that can be written of a view, or makes one if there is none."""

    def answer(self, *, doc_id: str, **arguments: Any) -> Response:
        """200, with the view as it now stands; 201 if it is new, with where it is."""
        if not self._makes_a_new_one():
            self.perform("put", doc_id, read=self.input, condition=self.condition(doc_id))
            return self.answer_written(doc_id)
        absent = AbsenceCondition(self.subject, self.mutation_cls, doc_id)
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

    def __init__(self, mediator: RestServer) -> None:
        super().__init__(mediator)
        if not (self.mutation_cls.can("delete") or self.answers_in_its_own_way):
            self.subject.require_document(f"{self.mutation_cls.__name__}.mutate_delete")

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
