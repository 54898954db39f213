"""Forms: commands that a front end writes as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

from flask_boiler.attrs.attribute import MISSING, NULL, Attr
from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import ScalarKind
from flask_boiler.errors import (
    ConfigurationError,
    DeclarationError,
    DocumentNotFoundError,
    RefusedError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.values import Snapshot
from flask_boiler.viewmodels.place_rules import require_free
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class
from flask_boiler.viewmodels.view_subject import ViewSubject, read_documents

__all__ = ["PROBLEM_FIELD", "AbsentTargetError", "Form"]

F = TypeVar("F", bound="Form")

#: Where a refused form's sender finds why.
PROBLEM_FIELD = "problem"


class AbsentTargetError(ValidationError):
    """The refusal of a form one of whose fields names a document that is not there."""


class Form(ViewModel):
    """A command that a front end writes as a document: a view with setters, over fresh models.

    ::

        class NewBooking(Store):
            booking = root(Booking)

        class BookingForm(Form):
            store: NewBooking
            seats: Attr[int] = attrs.bproperty(required=True)

            class Meta:
                form_path = "users/{uid}/bookings_POST/{booking_id}"
                refusal_path = "users/{uid}/refusals/{booking_id}"

            @seats.setter
            def seats(self, value):
                self.store.booking.seats = value

        boiler.add(QueryTaskMediator(BookingForm))

    The document's fields are taken through the setters, in the order in which the attributes are
    declared; then the form is submitted. Everything happens in one transaction, with which the
    document is marked as processed. A form that is refused (a ``ValidationError``, a
    ``RefusedError``, any error that is the sender's) changes nothing; why is written, as a problem
    document, in the field ``problem`` of the document at ``Meta.refusal_path``.

    ``Meta.form_path`` says where forms lie, and what the segments mean: who sent one is known
    from its path, which security rules protect, and never from what it contains.
    ``Meta.refusal_path`` has the same placeholders; by default it is the form's own path.

    A form about a document that is there says in ``Meta.target`` which of its fields names it::

        class BookingForm(Form):
            store: OneRide                              # ride = root(Ride)
            ride = attrs.relation(Ride)                 # or Attr[str], for its id or path
            seats: Attr[int] = attrs.bproperty()

            class Meta:
                target = "ride"

    It may name a placeholder of ``Meta.form_path`` as well. If the store has several roots, it is a
    mapping from roots to such names. Then one root may be left out, which is a new model of the
    form's id.
    """

    META_OPTIONS: ClassVar[frozenset[str]] = ViewModel.META_OPTIONS | {
        "form_path",
        "refusal_path",
        "target",
    }

    #: What the placeholders of ``Meta.form_path`` stand for.
    placeholders: Mapping[str, str]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.placeholders = {}

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """A form that is not filled in: over a model that is not stored yet, of the form's id.

        Override it for any other models. A form that has ``Meta.target`` begins without it.

        :param doc_id: the id of the form's document.
        :param placeholders: what the placeholders of ``Meta.form_path`` stand for.
        :raises ConfigurationError: the form's store does not have one root that is a model.
        """
        subject = ViewSubject(cls)
        return subject.open_model(subject.model.new(doc_id=doc_id))

    @classmethod
    def require_begin(cls) -> None:
        """Check that a form can be made by default; one with its own ``begin`` knows by itself.

        :raises ConfigurationError: it cannot.
        """
        if _has_own_begin(cls):
            return
        try:
            if targets := form_targets(cls):
                targets.require_makeable()
                return
            subject = ViewSubject(cls)
        except UnknownModelError:
            # It may be declared later.
            return
        subject.require_buildable()
        if not has_own_new(cls):
            subject.require_document("a form without a begin(doc_id) of its own")
        if not subject.built_from_model:
            raise ConfigurationError(
                f"{cls.__name__} has its own new(), which needs a stored model, and a form begins "
                "without one: define begin(doc_id), too"
            )

    @classmethod
    def of(cls, document: Snapshot) -> Self:
        """The form of a document, filled in.

        :raises ValidationError: a field is unknown, read-only, missing, or has a wrong value, such
            as the id of a target that is not there.
        :raises DocumentNotFoundError: the path names a target that is not there.
        :raises RefusedError: a setter refuses.
        """
        form = cls.begun(document)
        form.fill(cls.fields_of(document))
        return form

    @classmethod
    def begun(cls, document: Snapshot) -> Self:
        """The form of a document, not filled in."""
        placeholders = cls.placeholders_of(document.path)
        fields = cls.fields_of(document)
        targets = form_targets(cls)
        if targets is None:
            form = cls.begin(doc_id=document.id, **placeholders)
        else:
            cls._require_complete(fields, targets.fields)
            form = targets.open(document.id, fields, placeholders)
        form.placeholders = placeholders
        return form

    @classmethod
    def fields_of(cls, document: Snapshot) -> dict[str, Any]:
        """The fields of a document with which the form is filled in."""
        fields = document.to_dict()
        if cls.refusal_path(document.path) == document.path:
            # What an earlier refusal has left is no part of the form.
            fields.pop(PROBLEM_FIELD, None)
        return fields

    @classmethod
    def placeholders_of(cls, path: str) -> dict[str, str]:
        """The values of the placeholders of ``Meta.form_path``.

        :raises ConfigurationError: the path is another.
        """
        pattern = cls.form_pattern()
        if pattern is None:
            return {}
        found = pattern.match(path)
        if found is None:
            raise ConfigurationError(
                f"{path} is no {cls.__name__}: its paths are {pattern.text}. Make the query find "
                "only these, and let security rules refuse others"
            )
        return found

    @classmethod
    def form_pattern(cls) -> PathPattern | None:
        """The pattern of paths that forms lie at, if ``Meta.form_path`` gives one."""
        text: str | None = cls.meta("form_path")
        return None if text is None else PathPattern(text)

    @classmethod
    def refusal_path(cls, path: str) -> str:
        """The path where it is written why the form at a path is refused."""
        text: str | None = cls.meta("refusal_path")
        if text is None:
            return path
        return PathPattern(text).filled(cls.placeholders_of(path))

    def fill(self, fields: Mapping[str, Any]) -> None:
        """Take the fields of a document, all or none, through the setters.

        :raises ValidationError: a field is unknown, read-only, missing, or has a wrong value.
        """
        self._require_complete(fields)
        attributes = self.attributes().values()
        declared = {a.data_key: fields[a.data_key] for a in attributes if a.data_key in fields}
        self.update_vals(with_raw={**declared, **fields})

    @classmethod
    def _require_complete(cls, fields: Mapping[str, Any], besides: Iterable[str] = ()) -> None:
        """Check that no field is missing; if one is, all that is wrong is said.

        :param besides: fields that are needed although their declarations do not say so.
        :raises ValidationError: one is.
        """
        attributes = cls.attributes().values()
        required = [a.data_key for a in attributes if a.required and not a.read_only]
        missing = {name: [MISSING] for name in (*besides, *required) if name not in fields}
        if missing:
            wrong: dict[str, list[str]] = {}
            cls._checked(fields, cls._by_field(), Attr.load, wrong)
            raise _wrong_fields({**missing, **wrong}, cls)

    def submit(self) -> None:
        """Have the form's effect; called once all fields are set.

        By default, the models that the setters changed are saved. Override it to do more.

        :raises RefusedError: a model that the form makes is there already.
        """
        for model in self.store.models():
            if _is_new(model) and type(model).get(doc_ref=model.doc_path) is not None:
                raise RefusedError(f"{model.doc_id} exists already")
        self.propagate_change()

    @classmethod
    def _check_declaration(cls) -> None:
        refusals = cls.meta("refusal_path")
        try:
            forms = cls.form_pattern()
            known = forms.names if forms is not None else []
            unknown = set(PathPattern(refusals).names).difference(known) if refusals else set()
        except ConfigurationError as error:
            raise DeclarationError(f"{cls.__qualname__}.Meta: {error}") from error
        if forms is not None and not forms.names_document:
            raise DeclarationError(
                f"{cls.__qualname__}.Meta.form_path is the path of a collection, and not of a "
                "document"
            )
        if unknown:
            raise DeclarationError(
                f"{cls.__qualname__}.Meta.refusal_path has {', '.join(sorted(unknown))}, which "
                "Meta.form_path does not have"
            )
        super()._check_declaration()
        if cls.meta("target") is not None:
            _check_targets(cls)

    @classmethod
    def require_free_places(cls) -> None:
        """Check that the places of views are free, and the places of refusals, too.

        :raises DeclarationError: domain documents lie there, or the framework's.
        """
        super().require_free_places()
        refusals = cls.meta("refusal_path")
        if refusals is not None and refusals != cls.meta("form_path"):
            require_free(refusals, f"{cls.__qualname__}.Meta.refusal_path")


def _is_new(model: Any) -> bool:
    return model._model_state.update_time_ns is None


class FormTargets(Generic[F]):
    """The documents that are there already and that forms of a class are about.

    :param declared: ``Meta.target``.
    :raises ConfigurationError: it is not what ``Meta.target`` takes.
    """

    def __init__(self, form_cls: type[F], declared: Any) -> None:
        self._form_cls = form_cls
        self._where = f"{form_cls.__qualname__}.Meta.target"
        names = declared if isinstance(declared, Mapping) else {"": declared}
        if not names or not all(isinstance(n, str) for pair in names.items() for n in pair):
            raise ConfigurationError(
                f"{self._where} is {declared!r:.80}: expected the name of a field, or a mapping "
                "from roots of the store to such names"
            )
        self._declared: Mapping[str, str] = names
        pattern = form_cls.form_pattern()
        self._placeholders = [] if pattern is None else pattern.names
        self._attributes = form_cls.attributes()

    def require_names(self) -> None:
        """Check that what names the targets is there.

        :raises ConfigurationError: it is not.
        """
        if _has_own_begin(self._form_cls):
            raise ConfigurationError(
                f"{self._where} says what the form is about, and so does its begin(): leave one out"
            )
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

    def open(self, doc_id: str, fields: Mapping[str, Any], placeholders: Mapping[str, str]) -> F:
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
            raise _wrong_fields({**wrong, **absent}, self._form_cls, absent=bool(absent))
        return self._made(roots, doc_id)

    def _made(self, roots: dict[str, Any], doc_id: str) -> F:
        subject = self._subject
        if subject.is_document:
            [snapshot] = roots.values()
            return subject.open_snapshot(snapshot)
        for name in subject.roots:
            if name not in roots:
                roots[name] = subject.models[name].new(doc_id=doc_id)
        return self._form_cls.new(**roots)

    @cached_property
    def _subject(self) -> ViewSubject[F]:
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


def form_targets(form_cls: type[F]) -> FormTargets[F] | None:
    """The targets of a form's class; ``None`` if it is about nothing that is there already."""
    declared = form_cls.meta("target")
    return None if declared is None else FormTargets(form_cls, declared)


def _has_own_begin(form_cls: type[Form]) -> bool:
    return form_cls.begin.__func__ is not Form.begin.__func__  # type: ignore[attr-defined]


def _check_targets(form_cls: type[Form]) -> None:
    try:
        targets = FormTargets(form_cls, form_cls.meta("target"))
        targets.require_names()
        if _knows_store(form_cls):
            targets.require_references()
    except UnknownModelError:
        # It may be declared later; it is checked when a mediator is made.
        return
    except ConfigurationError as error:
        raise DeclarationError(str(error)) from error


def _knows_store(form_cls: type[Form]) -> bool:
    try:
        store_class(form_cls)
    except DeclarationError:
        # Annotated with a store that comes later, say: said when the form is first needed.
        return False
    return True


def _wrong_fields(
    messages: Mapping[str, list[str]], form_cls: type[Form], *, absent: bool = False
) -> ValidationError:
    kind = AbsentTargetError if absent else ValidationError
    error = kind(messages, where=form_cls.__name__)
    error.by_field = True
    return error
