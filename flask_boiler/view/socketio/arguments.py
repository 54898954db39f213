"""The arguments by which a client names a view: checked, and handed to the view's ``new``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import marshmallow

from flask_boiler.attrs.type_source import TypeSource
from flask_boiler.context.context import current_context
from flask_boiler.errors import ConfigurationError, DocumentNotFoundError, ValidationError
from flask_boiler.ground.json_text import canonical_json
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.schema.json_fields import AnyField
from flask_boiler.models.schema.schema import field_for
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.view.socketio.slot_arguments import (
    SlotArguments,
    document_field,
    refuse_if,
    unknown_in,
)
from flask_boiler.viewmodels.view_builder import TAKEN_FROM_DOCUMENT, ViewBuilder, own_parameters
from flask_boiler.viewmodels.view_model import ViewModel, store_class
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["ViewArguments", "check_size"]


class ViewArguments:
    """The arguments that name one view of a class.

    Those of :class:`SlotArguments`, by what the view is of. For a ``new`` of the class's own they
    are its parameters, where ``doc_id`` stands for a ``snapshot`` or a ``doc_ref``; a parameter is
    checked by its annotation, if it has one.

    :param root: the model whose documents ``doc_id`` names, where the view's store does not say.
    :raises ConfigurationError: nothing says it, or ``new`` takes what no client can name; or the
        view is not named by ``doc_id``, and there is a ``root``.
    """

    def __init__(self, view_cls: type[ViewModel], root: type[DomainModel] | None = None) -> None:
        parameters = own_parameters(view_cls)
        arguments: SlotArguments | _OwnArguments
        if parameters is None:
            subject: ViewSubject[Any] = ViewSubject(view_cls, root)
            if root is not None:
                subject.require_document("root=")
            arguments = SlotArguments(subject)
        else:
            arguments = _OwnArguments(view_cls, parameters, root)
        self._arguments = arguments
        #: How each argument is read from JSON.
        self.fields: Mapping[str, marshmallow.fields.Field[Any]] = arguments.fields

    def named(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names in :attr:`fields`, which may have others, too.

        :raises ValidationError: one is given by two names.
        """
        return self._arguments.named(given)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as :meth:`build` takes them.

        :raises ValidationError: naming each that is unknown, missing or wrong.
        """
        return self._arguments.checked(given)

    def build(self, values: dict[str, Any]) -> ViewModel:
        """The view of these arguments, read through what is in force.

        :raises DocumentNotFoundError: its root is not there, or whoever it is for is no member.
        """
        return self._arguments.build(values)

    def canonical(self, given: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        """A text that is the same for the same view, however its arguments are written.

        Those of a ``new`` of the class's own have to be the same.

        :param values: the arguments, checked.
        """
        return canonical_json(self._arguments.telling(given, values))


class _OwnArguments:
    """The arguments that the parameters of a ``new`` of the class's own say."""

    def __init__(
        self,
        view_cls: type[ViewModel],
        parameters: Mapping[str, inspect.Parameter],
        root: type[DomainModel] | None,
    ) -> None:
        self._view_cls = view_cls
        self.fields: dict[str, marshmallow.fields.Field[Any]] = {}
        self._models: dict[str, type[DomainModel]] = {}
        self._build: Callable[[dict[str, Any]], ViewModel] = lambda given: view_cls.new(**given)
        self._take_parameters(parameters, root)

    def named(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, of which each has one name."""
        return dict(given)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as :meth:`build` takes them."""
        wrong = unknown_in(given, self.fields)
        values: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name not in given and not field.required:
                continue
            try:
                values[name] = field.deserialize(given.get(name, marshmallow.missing))
                if name in self._models:
                    self._path(name, values[name])
            except marshmallow.ValidationError as error:
                wrong[name] = [str(said) for said in error.messages]
            except ValidationError as error:
                wrong[name] = [str(error)]
        refuse_if(wrong)
        return values

    def build(self, values: dict[str, Any]) -> ViewModel:
        """The view of these arguments, read through what is in force."""
        return self._build(values)

    def telling(self, given: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
        """What tells the view from others: the arguments as they are written."""
        return given

    def _take_parameters(
        self, parameters: Mapping[str, inspect.Parameter], root: type[DomainModel] | None
    ) -> None:
        said = dict(parameters)
        if "snapshot" in said or "doc_ref" in said:
            said = {name: p for name, p in said.items() if name not in TAKEN_FROM_DOCUMENT}
            self._take_document(root or self._only_root(), said)
        for name, parameter in said.items():
            kind = TypeSource(parameter.annotation).kind(self._view_cls)
            options: dict[str, Any] = {"required": parameter.default is parameter.empty}
            self.fields[name] = AnyField(**options) if kind is None else field_for(kind, **options)

    def _take_document(self, model: Any, further: Collection[str]) -> None:
        build = ViewBuilder(self._view_cls, further).build
        self._models["doc_id"] = found = self._require_model(model)
        self.fields["doc_id"] = document_field(found)

        def open_document(values: dict[str, Any]) -> ViewModel:
            others = {name: value for name, value in values.items() if name != "doc_id"}
            path = self._path("doc_id", values["doc_id"])
            reader = current_reader() or DirectReader(current_context().datastore)
            snapshot = reader.documents([path])[path]
            if not snapshot.exists:
                raise DocumentNotFoundError(path)
            return build(snapshot, **others)

        self._build = open_document

    def _only_root(self) -> Any:
        store_cls = store_class(self._view_cls)
        roots = store_cls.roots()
        return store_cls.references()[roots[0]].model if len(roots) == 1 else None

    def _require_model(self, model: Any) -> type[DomainModel]:
        if isinstance(model, type) and issubclass(model, DomainModel):
            return model
        raise ConfigurationError(
            f"clients name a {self._view_cls.__name__} by the id of a document, but its model is "
            "not known: annotate `store` with a Store whose reference has the model, or give the "
            "mediator root="
        )

    def _path(self, name: str, doc_id: str) -> str:
        return self._models[name].path_of_key(doc_id)


def check_size(limits: WsLimits, *given: Any) -> None:
    """Check that an event's arguments are JSON, and no more of it than clients may send.

    :raises ValidationError: they are no JSON.
    :raises Refusal: they are too large.
    """
    try:
        size = len(canonical_json(given))
    except TypeError as error:
        raise ValidationError({"": ["Expected JSON, with nothing binary in it."]}) from error
    except RecursionError as error:
        # What can be read may be too deep to be written where the stack is higher.
        raise ValidationError({"": ["Expected JSON that is not nested so deeply."]}) from error
    except ValueError as error:
        # Python's reader, which Socket.IO uses, takes NaN and infinity.
        raise ValidationError({"": [f"Expected JSON: {error}."]}) from error
    if size > limits.max_message_bytes:
        raise Refusal(413, f"An event's arguments have at most {limits.max_message_bytes} bytes.")
