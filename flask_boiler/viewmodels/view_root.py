"""The root of a view: the one document that stands for the view where it is named by an id."""

from __future__ import annotations

import string
from functools import cached_property
from typing import Any, Generic, TypeVar

from flask_boiler.context.context import current_context
from flask_boiler.errors import ConfigurationError, DocumentNotFoundError
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.view_builder import ViewBuilder, has_own_new, only_root
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["ViewRoot"]

V = TypeVar("V", bound=ViewModel)


class ViewRoot(Generic[V]):
    """The root that views of one class have, and from which they are built.

    :raises ConfigurationError: the view's store has no such root, or not one domain model.
    """

    def __init__(self, view_cls: type[V]) -> None:
        self.view_cls = view_cls
        self._own_new = has_own_new(view_cls)
        roots = store_class(view_cls).roots() if self._own_new else [only_root(view_cls)]
        if len(roots) != 1:
            raise ConfigurationError(
                f"{view_cls.__name__} has {len(roots)} roots ({', '.join(roots) or 'none'}), so an "
                "id is not enough to name a view: annotate `store` with a Store that has one "
                "reference without a source, or write the method yourself"
            )
        #: The name of the store's reference.
        self.name = roots[0]
        model: Any = store_class(view_cls).references()[self.name].model
        if model is None or not issubclass(model, DomainModel):
            raise ConfigurationError(
                f"the root {self.name!r} of {view_cls.__name__} does not say which domain model it "
                "is: give its reference() the class"
            )
        #: The domain model of the root.
        self.model: type[DomainModel] = model

    @property
    def built_from_model(self) -> bool:
        """Whether a loaded model is enough to build the view."""
        return not self._own_new

    def require_buildable(self) -> None:
        """Check that a view can be built of its root.

        :raises ConfigurationError: its ``new`` cannot be called with what there is of a document.
        """
        _ = self._builder

    @cached_property
    def _builder(self) -> ViewBuilder[V]:
        return ViewBuilder(self.view_cls)

    def path_of(self, doc_id: str) -> str:
        """The path of the root.

        :param doc_id: as ``key_of`` gives it.
        :raises ValidationError: Firestore does not allow the id, or it is no path of such a root.
        """
        return self.model.path_of_key(doc_id)

    def key_of(self, path: str) -> str:
        """The key that names the view in routes, lists and events: the root's id, or its path.

        It is the path if roots lie below other documents, which may have the same ids below them.
        """
        return self.model.key_of(path)

    def stored_place(self, doc_id: str) -> str | None:
        """The path of the view's document; ``None`` if that takes more than the id to tell.

        It follows from a ``Meta.path`` whose only fields are the root's ``doc_id``. What
        ``doc_ref`` or ``doc_refs`` say in code may depend on anything.
        """
        template: str | None = self.view_cls.meta("path")
        in_code = any(
            getattr(self.view_cls, name) is not getattr(ViewModel, name)
            for name in ("doc_ref", "doc_refs")
        )
        if template is None or in_code or self.model.keyed_by_path():
            # Of two roots with one id, the place is the one's or the other's.
            return None
        parts = list(string.Formatter().parse(template))
        fields = [(field, spec, how) for _, field, spec, how in parts if field is not None]
        if any(field != (f"{self.name}.doc_id", "", None) for field in fields):
            return None
        return "".join(
            literal + (doc_id if field is not None else "") for literal, field, _, _ in parts
        )

    def exists(self, doc_id: str) -> bool:
        """Whether the root with this id is there, read through what is in force."""
        return _read(self.path_of(doc_id)).exists

    def open(self, doc_id: str) -> V:
        """The view of the root with this id, read through what is in force.

        :raises DocumentNotFoundError: there is no such root.
        """
        return self.open_snapshot(_read(self.path_of(doc_id)))

    def open_snapshot(self, snapshot: Snapshot) -> V:
        """The view of the root of a snapshot.

        :raises DocumentNotFoundError: it is that of a missing document.
        """
        if not snapshot.exists:
            raise DocumentNotFoundError(snapshot.path)
        return self._builder.build(snapshot)

    def open_model(self, root: DomainModel) -> V:
        """The view of a model, stored or not.

        :raises ConfigurationError: the class has a ``new`` of its own, which takes no model.
        """
        if self._own_new:
            raise ConfigurationError(
                f"{self.view_cls.__name__} has its own new(), so the default cannot make a view "
                "whose root is not stored yet: write mutate_create yourself"
            )
        roots: dict[str, Any] = {self.name: root}
        return self.view_cls.new(**roots)

    def of(self, view: ViewModel) -> DomainModel:
        """The root of a view."""
        root: DomainModel = getattr(view.store, self.name)
        return root

    def forget_rest(self, view: ViewModel) -> None:
        """Keep the root as it is, and have everything else that the store holds read again."""
        root = self.of(view)
        view.store.refresh()
        view.store.feed(self.name, root)


def _read(path: str) -> Snapshot:
    reader = current_reader() or DirectReader(current_context().datastore)
    return reader.documents([path])[path]
