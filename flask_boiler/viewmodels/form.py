"""Forms: commands that a front end writes as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from flask_boiler.attrs.attribute import MISSING, Attr
from flask_boiler.errors import (
    ConfigurationError,
    DeclarationError,
    RefusedError,
    UnknownModelError,
)
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.values import Snapshot
from flask_boiler.viewmodels.form_targets import FormTargets, wrong_fields
from flask_boiler.viewmodels.place_rules import require_free
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["PROBLEM_FIELD", "Form"]

F = TypeVar("F", bound="Form")

#: Where a refused form's sender finds why.
PROBLEM_FIELD = "problem"


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
            raise wrong_fields({**missing, **wrong}, cls)

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


def form_targets(form_cls: type[F]) -> FormTargets[F] | None:
    """The targets of a form's class; ``None`` if it is about nothing that is there already."""
    declared = form_cls.meta("target")
    if declared is None:
        return None
    pattern = form_cls.form_pattern()
    return FormTargets(form_cls, declared, [] if pattern is None else pattern.names)


def _has_own_begin(form_cls: type[Form]) -> bool:
    return form_cls.begin.__func__ is not Form.begin.__func__  # type: ignore[attr-defined]


def _check_targets(form_cls: type[Form]) -> None:
    try:
        targets = form_targets(form_cls)
        assert targets is not None  # whoever asks has seen that there are some
        if _has_own_begin(form_cls):
            raise ConfigurationError(
                f"{form_cls.__qualname__}.Meta.target says what the form is about, and so does its "
                "begin(): leave one out"
            )
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
