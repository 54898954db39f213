"""What the options of a task mediator name: attributes of the tasks' class, or stored fields."""

from __future__ import annotations

from typing import Any

from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.models.model import Model
from flask_boiler.models.query.fields import named_field
from flask_boiler.models.query.query import Query
from flask_boiler.view.inbox.forms import FormQuery

__all__ = ["task_class", "task_field"]


def task_class(query: Any) -> type[Model] | None:
    """The class of the tasks that a query finds; ``None`` for google's own, which names none."""
    if isinstance(query, Query):
        found: type[Model] = query.model_cls
        return found
    return query.form_cls if isinstance(query, FormQuery) else None


def task_field(model_cls: type[Model] | None, named: Any) -> FieldOperators:
    """The field that an option names.

    :param model_cls: as ``task_class`` gives it.
    :raises QueryError: the class has no such attribute; the nearest name is told.
    """
    if model_cls is None and isinstance(named, FieldOperators):
        return named
    return named_field(model_cls, named).field
