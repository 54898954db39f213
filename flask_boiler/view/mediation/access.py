"""Access: who may see a view, and who may change it. It is asked here, and nowhere else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Access", "Anybody", "Change"]


class Change(Protocol):
    """A change that somebody wants, as far as it depends on it whether they may have it."""

    @property
    def view_cls(self) -> type[ViewModel]:
        """The class of the view that is to be changed."""
        ...

    @property
    def operation(self) -> str:
        """``create``, ``put``, ``patch`` or ``delete``; ``submit`` of a form."""
        ...

    @property
    def doc_id(self) -> str | None:
        """The id of the view's root; ``None`` for a new one that is to be given an id."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """The values by attribute name.

        :raises ValidationError: they are not what the view takes.
        """
        ...


class Access(Protocol):
    """Decides who may do what with the views of a mediator.

    It is asked before anything of a view is loaded. A decision that takes the view loads it by
    itself, and so as of the same time as the change, if that is made in a transaction.
    """

    def scope_of(self, arguments: dict[str, Any]) -> Hashable:
        """The scope of whoever asks for the view of these arguments, which it may change.

        Those whose arguments and scopes are equal see the same, and may share one view.

        :raises AuthError: they may not see it.
        """
        ...

    def require(self, change: Change) -> None:
        """Check that whoever wants a change may have it.

        :raises AuthError: they may not.
        :raises DocumentNotFoundError: they may not, and are not to know whether there is a view.
        """
        ...


class Anybody:
    """The access of views that everybody may see, and change by whatever is mounted for it."""

    def scope_of(self, arguments: dict[str, Any]) -> Hashable:
        """The one scope that there is."""
        return None

    def require(self, change: Change) -> None:
        """Require nothing."""
