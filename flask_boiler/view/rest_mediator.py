"""The REST mediator: routes through which views are read, and changed by mutations.

Read: Request -> Response. Write: Request -> Document. At most once: nothing is retried for the
client; inside, a commit that lost a race is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from flask.views import View

from flask_boiler.errors import ConfigurationError
from flask_boiler.view.http.list_routes import ListGet, ListPost
from flask_boiler.view.http.mounting import Route, mark, prepare
from flask_boiler.view.http.route_rules import check_mounted, taking_paths
from flask_boiler.view.http.routes import (
    InstanceDelete,
    InstanceGet,
    InstancePatch,
    InstancePut,
    RestView,
)
from flask_boiler.view.mediation.mediator import MediatorBase
from flask_boiler.viewmodels.mutation import Mutation, require_changes
from flask_boiler.viewmodels.view_model import ViewModel, require_view_class

if TYPE_CHECKING:
    from flask import Blueprint, Flask

__all__ = ["RestMediator"]


_DEFAULTS: dict[str, tuple[str, type[RestView]]] = {
    "list_get": ("GET", ListGet),
    "list_post": ("POST", ListPost),
    "instance_get": ("GET", InstanceGet),
    "instance_put": ("PUT", InstancePut),
    "instance_patch": ("PATCH", InstancePatch),
    "instance_delete": ("DELETE", InstanceDelete),
}

_endpoints: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


class RestMediator(MediatorBase):
    """Serves the views of one class over HTTP.

    ::

        mediator = RestMediator(CityView, CityMutation, app=app)
        mediator.add_list_get("/cities")
        mediator.add_instance_get("/cities/<string:doc_id>")
        mediator.add_instance_patch("/cities/<string:doc_id>")

    Its routes answer from when they are added, whether or not it was started; added to a
    :class:`~flask_boiler.Boiler`, it is one of its mediators.

    Each ``add_…`` method takes the rule and, if the default does not suit, a view class of your
    own: one below the default's class is given the mediator, any other is used as it is.

    :param view_model_cls: the view; ``doc_id`` in a rule is the id of its root. If the root's
        model lies below other documents (``Meta.parent``) it is the path, as lists name it; its
        slashes may stand as they are, or percent-encoded. Of a view that is of other slots, too,
        the rule names each of them: ``/tables/<season>/<team_id>``.
    :param mutation_cls: what the writing routes call.
    :param app: a Flask application or a blueprint.
    :raises ConfigurationError: the mutation is of another view.
    """

    def __init__(
        self,
        view_model_cls: type[ViewModel],
        mutation_cls: type[Mutation[Any]] | None = None,
        *,
        app: Flask | Blueprint,
    ) -> None:
        require_view_class(view_model_cls)
        super().__init__(f"{view_model_cls.__name__} (REST)", view_model_cls)
        self.view_model_cls = view_model_cls
        self.mutation_cls = mutation_cls
        self.app = app
        #: What was added, in order.
        self.routes: list[Route] = []
        if mutation_cls is not None:
            require_changes(mutation_cls, view_model_cls)

    def add_list_get(
        self,
        rule: str,
        list_get_view: type[View] | None = None,
        *,
        filters: Sequence[str] = (),
    ) -> None:
        """Serve ``GET`` of many views, with filters and pages.

        A client may filter and sort by the root's attributes that the view passes through
        (``attrs.through``).

        Of a view of several slots the rule names all but one: ``/tables/<season>`` lists the views
        of all teams. If the one is the member of an ``each``, the list is of all members, by their
        ids, and without filters.

        :param filters: further attributes of the root, by attribute name; whoever may filter or
            sort by one can find out its value.
        :raises ConfigurationError: the root has no such attribute, the view class is none that
            filters, or nobody knows which views there are.
        """
        if isinstance(filters, str):
            raise ConfigurationError(
                f"filters={filters!r} is a text, and not a list: write ({filters!r},)"
            )
        if filters and not issubclass(list_get_view or ListGet, ListGet):
            raise ConfigurationError(
                f"filters= is only for ListGet, and {list_get_view.__name__} is another view"  # type: ignore[union-attr]
            )
        self._add("list_get", rule, list_get_view, **({"filters": filters} if filters else {}))

    def add_list_post(self, rule: str, list_post_view: type[View] | None = None) -> None:
        """Serve ``POST`` of a new view.

        :raises ConfigurationError: the view is not of one root alone, and the mutation has no
            ``mutate_create`` of its own.
        """
        self._add("list_post", rule, list_post_view)

    def add_instance_get(self, rule: str, instance_get_view: type[View] | None = None) -> None:
        """Serve ``GET`` of one view."""
        self._add("instance_get", rule, instance_get_view)

    def add_instance_put(self, rule: str, instance_put_view: type[View] | None = None) -> None:
        """Serve ``PUT`` of all that can be written of one view."""
        self._add("instance_put", rule, instance_put_view)

    def add_instance_patch(self, rule: str, instance_patch_view: type[View] | None = None) -> None:
        """Serve ``PATCH`` of one view."""
        self._add("instance_patch", rule, instance_patch_view)

    def add_instance_delete(
        self, rule: str, instance_delete_view: type[View] | None = None
    ) -> None:
        """Serve ``DELETE`` of one view.

        :raises ConfigurationError: the view is not of one root alone, and the mutation has no
            ``mutate_delete`` of its own.
        """
        self._add("instance_delete", rule, instance_delete_view)

    @property
    def mediates(self) -> bool:
        """No: what it serves is computed when it is asked for."""
        return False

    def _begin(self, ends: ExitStack) -> None:
        """Begin nothing: the application serves the routes."""

    @property
    def instance_endpoint(self) -> str | None:
        """The endpoint of the first ``GET`` route of any one view, if there is one."""
        found = (
            route.endpoint
            for route in self.routes
            if route.kind == "instance_get" and (route.instance is None or route.instance.takes_key)
        )
        return next(found, None)

    def require_mutation(self) -> type[Mutation[Any]]:
        """The mutation.

        :raises ConfigurationError: none was given.
        """
        if self.mutation_cls is None:
            raise ConfigurationError(
                f"the REST mediator of {self.view_model_cls.__name__} needs a mutation to write: "
                "give it mutation_cls, such as a subclass of "
                f"Mutation[{self.view_model_cls.__name__}]"
            )
        if not hasattr(self.mutation_cls, "view_model_cls"):
            raise ConfigurationError(
                f"{self.mutation_cls.__name__} does not say which view it changes: give it "
                f"view_model_cls = {self.view_model_cls.__name__}"
            )
        return self.mutation_cls

    def _add(self, kind: str, rule: str, view: type[View] | None, **options: Any) -> None:
        method, default = _DEFAULTS[kind]
        chosen = view or default
        endpoint = self._free_endpoint(f"{self.view_model_cls.__name__}_{kind}")
        if issubclass(chosen, RestView):
            # One that tells of the route, also that it cannot be served; another serves.
            instance = chosen(self, **options)
            rule = taking_paths(instance.subject, rule)
            check_mounted(self.app, rule, instance.require_rule)
            function = chosen.as_view(endpoint, self, **options)
        else:
            instance = None
            function = chosen.as_view(endpoint)
        route = Route(self, kind, method, rule, endpoint, chosen, instance)
        mark(function, route)
        prepare(self.app)
        self.app.add_url_rule(rule, endpoint=endpoint, view_func=function, methods=[method])
        self.routes.append(route)

    def _free_endpoint(self, wanted: str) -> str:
        taken = _endpoints.setdefault(self.app, set())
        names = itertools.chain([wanted], (f"{wanted}_{n}" for n in itertools.count(2)))
        free = next(n for n in names if n not in taken and n not in self.app.view_functions)
        taken.add(free)
        return free
