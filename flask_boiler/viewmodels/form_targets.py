"""The targets of forms: the documents that are there already, and that a form says it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from flask_boiler.attrs.attribute import NULL, Attr
from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import ScalarKind
from flask_boiler.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import Snapshot
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject, read_documents

__all__ = ["AbsentTargetError", "FormTargets", "wrong_fields"]

V = TypeVar("V", bound=ViewModel)


class AbsentTargetError(ValidationError):
    """The refusal of a form one of whose fields names a document that is not there."""


class FormTargets(Generic[V]):
    """The documents that are there already and that forms of a class are about.

    :param declared: ``Meta.target``.
    :param placeholders: the placeholders of ``Meta.form_path``.
    :raises ConfigurationError: it is not what ``Meta.target`` takes.
    """

    def __init__(self, form_cls: type[V], declared: Any, placeholders: Collection[str]) -> None:
        self._form_cls = form_cls
        self._where = f"{form_cls.__qualname__}.Meta.target"
        names = declared if isinstance(declared, Mapping) else {"": declared}
        if not names or not all(isinstance(n, str) for pair in names.items() for n in pair):
            raise ConfigurationError(
                f"{self._where} is {declared!r:.80}: expected the name of a field, or a mapping "
                "from roots of the store to such names"
            )
        self._declared: Mapping[str, str] = names
        self._placeholders = placeholders
        self._attributes = form_cls.attributes()

    def require_names(self) -> None:
        """Check that what names the targets is there.

        :raises ConfigurationError: it is not.
        """
        for name in self._declared.values():
            self._require_name(name)

    def require_references(self) -> None:
        """Check that the roots are there, and that the fields may name their documents.

        :raises ConfigurationError: one is not, or may not.
        :raises UnknownModelError: a model is not declared yet.
        """
        for root, name in self._by_root.items():
            if name in self._attributes:
                self._require_reference(root, self._attributes[name])

    def require_makeable(self) -> None:
        """Check that forms can be made.

        :raises ConfigurationError: they cannot.
        """
        self.require_names()
        self.require_references()
        subject = self._subject
        subject.require_buildable()
        new = subject.slots.keys() - self._by_root.keys()
        if len(new) > 1 or new - set(subject.roots):
            raise ConfigurationError(
                f"{self._where} leaves {', '.join(sorted(new))} open: name what each of them is, "
                "but for one root, which is a new document"
            )

    @property
    def fields(self) -> list[str]:
        """The fields of a form's document that name targets."""
        attributes = (self._attributes.get(name) for name in self._declared.values())
        return [attribute.data_key for attribute in attributes if attribute is not None]

    def open(self, doc_id: str, fields: Mapping[str, Any], placeholders: Mapping[str, str]) -> V:
        """A form about its targets that is not filled in.

        :param doc_id: the id of the form's document.
        :raises AbsentTargetError: a field names a document that is not there.
        :raises ValidationError: a field names none.
        :raises DocumentNotFoundError: a placeholder names none that is there.
        """
        wrong: dict[str, list[str]] = {}
        paths: dict[str, str] = {}
        for root, name in self._by_root.items():
            try:
                paths[root] = self._path(root, name, fields, placeholders)
            except Mismatch as mismatch:
                if name in placeholders:
                    raise DocumentNotFoundError(f"{root} of {doc_id}") from mismatch
                wrong |= mismatch.below(self._attributes[name].data_key)
        found = read_documents(list(paths.values()))
        roots: dict[str, Any] = {}
        absent: dict[str, list[str]] = {}
        for root, path in paths.items():
            if self._is_there(root, found[path]):
                roots[root] = found[path]
            elif (name := self._by_root[root]) in placeholders:
                raise DocumentNotFoundError(path)
            else:
                said = f"There is no {self._subject.models[root].__name__} {path!r:.200}."
                absent[self._attributes[name].data_key] = [said]
        if wrong or absent:
            raise wrong_fields({**wrong, **absent}, self._form_cls, absent=bool(absent))
        return self._made(roots, doc_id)

    def _made(self, roots: dict[str, Any], doc_id: str) -> V:
        subject = self._subject
        if subject.is_document:
            [snapshot] = roots.values()
            return subject.open_snapshot(snapshot)
        for name in subject.roots:
            if name not in roots:
                roots[name] = subject.models[name].new(doc_id=doc_id)
        return self._form_cls.new(**roots)

    @cached_property
    def _subject(self) -> ViewSubject[V]:
        return ViewSubject(self._form_cls)

    @cached_property
    def _by_root(self) -> Mapping[str, str]:
        """The names of fields and placeholders, by root."""
        known = self._subject.roots
        if "" in self._declared:
            if len(known) != 1:
                raise ConfigurationError(
                    f"{self._where} names one document, and the form has {len(known)} roots "
                    f"({', '.join(known) or 'none'}): write a mapping from roots to fields"
                )
            return {known[0]: self._declared[""]}
        for root in self._declared:
            if root not in known:
                raise ConfigurationError(
                    f"{self._where} has {root!r}, which is no root of the store; "
                    f"there are {', '.join(known) or 'none'}{nearest(root, known)}"
                )
        return self._declared

    def _require_name(self, name: str) -> None:
        attribute, in_path = self._attributes.get(name), name in self._placeholders
        if attribute is None and not in_path:
            known = [*self._attributes, *self._placeholders]
            raise ConfigurationError(
                f"{self._where} names {name!r}, which is neither a field of the form nor a "
                f"placeholder of Meta.form_path{nearest(name, known)}"
            )
        if attribute is not None and in_path:
            raise ConfigurationError(
                f"{self._where} names {name!r}, which is a field of the form and a placeholder of "
                "Meta.form_path: call one of them something else"
            )
        if attribute is not None and attribute.read_only:
            raise ConfigurationError(f"{self._where} names {name!r}, which input may not set")

    def _require_reference(self, root: str, attribute: Attr[Any]) -> None:
        """Check that values of an attribute may name documents of a root's model."""
        kind, model = attribute.kind, self._subject.models[root]
        if isinstance(kind, RelationKind):
            other = kind.model if kind.has_model else model
            if issubclass(other, model) or issubclass(model, other):
                return
            raise ConfigurationError(
                f"{self._where} names {attribute!r}, which refers to a {other.__name__}, and the "
                f"root {root} is a {model.__name__}"
            )
        if not (kind.takes_anything or (isinstance(kind, ScalarKind) and kind.types == (str,))):
            raise ConfigurationError(
                f"{self._where} names {attribute!r}, which is {kind.label}: expected an id (str), "
                f"or attrs.relation({model.__name__})"
            )

    def _path(
        self, root: str, name: str, fields: Mapping[str, Any], placeholders: Mapping[str, str]
    ) -> str:
        """The path of the document of a root.

        :raises Mismatch: nothing can be such a path.
        """
        if name in placeholders:
            named: Any = placeholders[name]
        else:
            attribute = self._attributes[name]
            named = fields[attribute.data_key]
            attribute.load(named)
            if named is None:
                raise Mismatch(NULL)
        kind = RelationKind(self._subject.models[root])
        path = kind.path_of(named)
        kind.require_collection(path)
        return path

    def _is_there(self, root: str, snapshot: Snapshot) -> bool:
        """Whether there is a document of the root's model."""
        try:
            return (
                snapshot.exists and self._subject.models[root].from_snapshot(snapshot) is not None
            )
        except UnknownModelError:
            # One of a class beside it, in the same collection.
            return False


def wrong_fields(
    messages: Mapping[str, list[str]], form_cls: type[ViewModel], *, absent: bool = False
) -> ValidationError:
    """The refusal of a form, by the fields of its document.

    :param absent: one of them names a document that is not there.
    """
    kind = AbsentTargetError if absent else ValidationError
    error = kind(messages, where=form_cls.__name__)
    error.by_field = True
    return error
