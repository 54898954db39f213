"""The places of a view: where it says that it is kept, and what may be there already."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    DeclarationError,
    MaterializationError,
)
from flask_boiler.ground.callbacks import is_failure, misfit, require_plain
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import Snapshot, document_path
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.path_template import PathTemplate
from flask_boiler.viewmodels.place_rules import fault_of_place, literal_places, require_free

__all__ = ["OnDelete", "PlacedView"]

#: ``Meta.on_delete`` in code: from a stored view document's fields, those to leave behind when
#: the root is gone, or ``None`` to delete the document.
OnDelete = Callable[[dict[str, Any]], Mapping[str, Any] | None]


class PlacedView(Model):
    """A view as something that is kept: at which places, and what happens there in the end."""

    META_OPTIONS: ClassVar[frozenset[str]] = Model.META_OPTIONS | {"path", "on_delete", "adopt"}

    store: Any

    @property
    def doc_ref(self) -> Any:
        """The reference to the document that the view is kept at.

        :raises DeclarationError: the class does not say.
        """
        return current_context().db.document(self._path())

    @property
    def doc_refs(self) -> Iterable[Any] | Mapping[Any, Any]:
        """The documents that the view is kept at, if there are several: references or paths."""
        if _overrides(type(self), "doc_ref"):
            return [self.doc_ref]
        return [self._path()]

    def _path(self) -> str:
        template = self.path_template()
        if template is None:
            raise DeclarationError(_no_place(type(self)))
        try:
            return document_path(template.filled(self.store))
        except BoilerError:
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            raise self._failed("Meta.path", error) from error

    @classmethod
    def path_template(cls) -> PathTemplate | None:
        """The template of ``Meta.path``; ``None`` if the class has none.

        :raises DeclarationError: it is none.
        """
        text: str | None = cls.meta("path")
        return None if text is None else PathTemplate(text, f"{cls.__qualname__}.Meta.path")

    def places(self) -> list[str]:
        """The paths of the documents that the view is kept at.

        :raises MaterializationError: they cannot be told, or one of them is where domain documents
            lie, or the framework's.
        """
        places = self.wanted_places()
        for place in places:
            fault = fault_of_place(place)
            if fault is not None:
                name = type(self).__name__
                raise MaterializationError(f"{name} cannot be stored at {place}, {fault}", key=name)
        return places

    def wanted_places(self) -> list[str]:
        """The paths that the view names as its places, whatever they are.

        :raises MaterializationError: they cannot be told.
        """
        try:
            refs = self.doc_refs
            listed = refs.values() if isinstance(refs, Mapping) else refs
            return list(dict.fromkeys(document_path(ref) for ref in listed))
        except BoilerError:
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            named = next(
                (n for n in ("doc_refs", "doc_ref") if _overrides(type(self), n)), "Meta.path"
            )
            raise self._failed(named, error) from error

    def require_own(self, stored: Iterable[Snapshot]) -> None:
        """Check that documents at the view's places are the view's, or may be taken over.

        :raises MaterializationError: one is not.
        """
        for snapshot in stored:
            if snapshot.exists and not (self.adopts() or self._is_own(snapshot)):
                name = type(self).__name__
                nameless = "obj_type" in self._options.exclude
                why = "Meta.exclude leaves obj_type out" if nameless else "its obj_type is another"
                raise MaterializationError(
                    f"{name} cannot be stored at {snapshot.path}: there is a document that does "
                    f"not belong to a {name} ({why}), and it is not overwritten. Give the view "
                    "another place, delete the document, or set Meta.adopt = True in the class to "
                    "replace it",
                    key=name,
                )

    def _is_own(self, stored: Snapshot) -> bool:
        return stored.get("obj_type") in self.own_type_names()

    @classmethod
    def adopts(cls) -> bool:
        """Whether somebody else's document at a place of the view's is taken over."""
        return bool(cls.meta("adopt"))

    def identity(self, place: str) -> dict[str, str]:
        """The fields that a stored view carries besides its attributes."""
        carried = {"obj_type": self.type_name(), "doc_ref": place}
        excluded = self.meta("exclude") or ()
        return {name: value for name, value in carried.items() if name not in excluded}

    @classmethod
    def on_delete(cls) -> str | OnDelete:
        """The choice of ``Meta.on_delete``: what happens to the documents when the root is gone.

        :raises DeclarationError: it is none of the choices; raised when the class is created.
        """
        choice: Any = cls.meta("on_delete") or "delete"
        if choice in ("delete", "keep"):
            return choice  # type: ignore[no-any-return]
        where = f"{cls.__name__}.Meta.on_delete"
        if not callable(choice):
            raise DeclarationError(
                f"{where} is {choice!r}{nearest(choice, ('delete', 'keep'))}; expected 'delete', "
                "'keep', or a function of a stored document's fields"
            )
        wrong = misfit(choice, "fields")
        if wrong is not None:
            raise DeclarationError(f"{where}: {wrong}")
        return choice  # type: ignore[no-any-return]

    @classmethod
    def require_place(cls) -> None:
        """Check that the class says where its views are kept, and that this is nobody else's.

        :raises ConfigurationError: it does not say.
        :raises DeclarationError: what it names is not there, or domain documents, or the
            framework's, lie where it says.
        """
        cls._check_declaration()
        if cls.meta("path") is None and not _overrides(cls, "doc_ref", "doc_refs"):
            raise ConfigurationError(_no_place(cls))

    @classmethod
    def require_free_places(cls) -> None:
        """Check that what the class says outright of its places is nobody else's.

        :raises DeclarationError: domain documents lie there, or the framework's.
        """
        template = cls.meta("path")
        if template is not None:
            require_free(template, f"{cls.__qualname__}.Meta.path")
        for name in ("doc_ref", "doc_refs"):
            for path in literal_places(inspect.getattr_static(cls, name)):
                require_free(path, f"{cls.__qualname__}.{name}")

    @classmethod
    def _check_declaration(cls) -> None:
        super()._check_declaration()
        what = f"{cls.__qualname__}.Meta.on_delete"
        require_plain(cls.meta("on_delete"), what, error=DeclarationError)
        cls.on_delete()
        if cls.meta("adopt") not in (None, True, False):
            raise DeclarationError(
                f"{cls.__qualname__}.Meta.adopt is {cls.meta('adopt')!r}: expected True or False"
            )
        # A text that is no template is said to be none before anybody looks where it leads.
        _ = cls.path_template()
        cls.require_free_places()

    def _failed(self, attribute: str, error: BaseException) -> MaterializationError:
        name = type(self).__name__
        return MaterializationError(
            f"{name}.{attribute} raised {type(error).__name__}: {error}",
            key=name,
            attribute=attribute,
        )


def _overrides(cls: type[PlacedView], *names: str) -> bool:
    return any(getattr(cls, name) is not getattr(PlacedView, name) for name in names)


def _no_place(cls: type[PlacedView]) -> str:
    return (
        f"{cls.__name__} has no place where it can be stored: give it Meta.path, or a property "
        "doc_ref or doc_refs"
    )
