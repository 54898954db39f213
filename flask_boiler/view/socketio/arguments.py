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
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.schema.json_fields import AnyField
from flask_boiler.models.schema.schema import field_for
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.viewmodels.view_builder import TAKEN_FROM_DOCUMENT, ViewBuilder, own_parameters
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["ViewArguments", "check_size"]


class ViewArguments:
    """The arguments that name one view of a class.

    For a view of one document it is ``doc_id``, which is a path if the document lies below others;
    for one with several roots, the id of each, by the store's names; for a ``new`` of the class's
    own, its parameters, where ``doc_id`` stands for a ``snapshot`` or a ``doc_ref``. A parameter is
    checked by its annotation, if it has one.

    :param root: the model whose documents ``doc_id`` names, where the view's store does not say.
    :raises ConfigurationError: nothing says it, or ``new`` takes what no client can name.
    """

    def __init__(self, view_cls: type[ViewModel], root: type[DomainModel] | None = None) -> None:
        self._view_cls = view_cls
        #: How each argument is read from JSON.
        self.fields: dict[str, marshmallow.fields.Field[Any]] = {}
        self._models: dict[str, type[DomainModel]] = {}
        self._build: Callable[[dict[str, Any]], ViewModel] = lambda given: view_cls.new(**given)
        parameters = own_parameters(view_cls)
        if parameters is None:
            self._take_roots(root)
        else:
            self._take_parameters(parameters, root)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as :meth:`build` takes them.

        :raises ValidationError: naming each that is unknown, missing or wrong.
        """
        wrong = {
            name: [
                f"Unknown argument{nearest(name, self.fields)}; there are "
                f"{', '.join(self.fields) or 'none'}."
            ]
            for name in given
            if name not in self.fields
        }
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
        if wrong:
            raise ValidationError(wrong)
        return values

    def build(self, values: dict[str, Any]) -> ViewModel:
        """The view of these arguments, read through what is in force.

        :raises DocumentNotFoundError: its root is not there.
        """
        return self._build(values)

    @staticmethod
    def canonical(given: Mapping[str, Any]) -> str:
        """A text that is the same for the same arguments."""
        return canonical_json(given)

    def _take_roots(self, root: type[DomainModel] | None) -> None:
        store_cls = store_class(self._view_cls)
        models = {name: store_cls.references()[name].model for name in store_cls.roots()}
        if len(models) == 1:
            [model] = models.values()
            self._take_document(root or model)
            return
        for name, model in models.items():
            self.fields[name] = marshmallow.fields.String(required=True)
            self._models[name] = self._require_model(model)

    def _take_parameters(
        self, parameters: Mapping[str, inspect.Parameter], root: type[DomainModel] | None
    ) -> None:
        said = dict(parameters)
        if "snapshot" in said or "doc_ref" in said:
            said = {name: p for name, p in said.items() if name not in TAKEN_FROM_DOCUMENT}
            self._take_document(root or self._only_root(), further=said)
        for name, parameter in said.items():
            kind = TypeSource(parameter.annotation).kind(self._view_cls)
            options: dict[str, Any] = {"required": parameter.default is parameter.empty}
            self.fields[name] = AnyField(**options) if kind is None else field_for(kind, **options)

    def _take_document(self, model: Any, further: Collection[str] = ()) -> None:
        build = ViewBuilder(self._view_cls, further).build
        self._models["doc_id"] = found = self._require_model(model)
        said = {"description": "The path of the document."} if found.keyed_by_path() else {}
        self.fields["doc_id"] = marshmallow.fields.String(required=True, metadata=said)

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
