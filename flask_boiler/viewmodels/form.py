"""Forms: commands that a front end writes as documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from flask_boiler.attrs.attribute import MISSING, Attr
from flask_boiler.errors import (
    ConfigurationError,
    DeclarationError,
    RefusedError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.values import Snapshot
from flask_boiler.viewmodels.place_rules import require_free
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["PROBLEM_FIELD", "Form"]

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
    """

    META_OPTIONS: ClassVar[frozenset[str]] = ViewModel.META_OPTIONS | {"form_path", "refusal_path"}

    #: What the placeholders of ``Meta.form_path`` stand for.
    placeholders: Mapping[str, str]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.placeholders = {}

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """A form that is not filled in: over a model that is not stored yet, of the form's id.

        Override it for any other models.

        :param doc_id: the id of the form's document.
        :param placeholders: what the placeholders of ``Meta.form_path`` stand for.
        :raises ConfigurationError: the form's store does not have one root that is a model.
        """
        root = ViewSubject(cls)
        return root.open_model(root.model.new(doc_id=doc_id))

    @classmethod
    def require_begin(cls) -> None:
        """Check that the default :meth:`begin` can make a form; another one knows by itself.

        :raises ConfigurationError: it cannot.
        """
        if cls.begin.__func__ is not Form.begin.__func__:  # type: ignore[attr-defined]
            return
        try:
            root = ViewSubject(cls)
        except UnknownModelError:
            # It may be declared later.
            return
        root.require_buildable()
        if not root.built_from_model:
            raise ConfigurationError(
                f"{cls.__name__} has its own new(), which needs a stored model, and a form begins "
                "without one: define begin(doc_id), too"
            )

    @classmethod
    def of(cls, document: Snapshot) -> Self:
        """The form of a document, filled in.

        :raises ValidationError: a field is unknown, read-only, missing, or has a wrong value.
        :raises RefusedError: a setter refuses.
        """
        placeholders = cls.placeholders_of(document.path)
        form = cls.begin(doc_id=document.id, **placeholders)
        form.placeholders = placeholders
        form.fill(cls.fields_of(document))
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
        attributes = self.attributes().values()
        required = [a.data_key for a in attributes if a.required and not a.read_only]
        missing = {name: [MISSING] for name in required if name not in fields}
        if missing:
            wrong: dict[str, list[str]] = {}
            self._checked(fields, self._by_field(), Attr.load, wrong)
            error = ValidationError({**missing, **wrong}, where=type(self).__name__)
            error.by_field = True
            raise error
        declared = {a.data_key: fields[a.data_key] for a in attributes if a.data_key in fields}
        self.update_vals(with_raw={**declared, **fields})

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
