"""The slot for a document that a view is of, which is handed in by whoever makes the view."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from flask_boiler.errors import DeclarationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.reference import OneDocument
from flask_boiler.viewmodels.slots.slot import NeverMissing, require_parentheses

__all__ = ["Root", "root"]

M = TypeVar("M")
#: A model that a view may be of.
D = TypeVar("D", bound=DomainModel)


class Root(NeverMissing[M], OneDocument[M]):
    """A root: the document that a view is of, which is never missing."""

    def resolve(self, pointed: Any) -> Any:
        """The model.

        :raises DocumentNotFoundError: there is no such document.
        """
        return self.resolve_existing(pointed)


@overload
def root(model: type[D]) -> Root[D]: ...
@overload
def root(model: str) -> Root[Any]: ...
def root(model: type[Any] | str, *, source: Any = None) -> Any:
    """Declare a document that a view is of: there is one view for each, and none without it.

    ::

        class CityStore(Store):
            city = root(City)

    :param model: the domain model, or its name if it is declared later.
    :raises DeclarationError: it is none; or there is a source, which only a :func:`reference` has.
    """
    if source is not None:
        raise DeclarationError(
            "a root is handed in by whoever makes the view, and has no source: write "
            f"reference({getattr(model, '__name__', model)!s:.80}, source=…)"
        )
    require_parentheses("root", model)
    is_model = isinstance(model, type) and issubclass(model, DomainModel)
    if not (is_model or isinstance(model, str)):
        raise DeclarationError(
            f"a root needs a domain model or its name, as in root(City), and not {model!r:.80}"
        )
    return Root(model)
