"""The arguments by which a client names what a view is of: one for each slot of its subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow

from flask_boiler.errors import ValidationError
from flask_boiler.ground.naming import nearest
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.slots.slot import Slot
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import SEPARATOR, ViewSubject

__all__ = ["SlotArguments", "document_field", "refuse_if", "unknown_in"]


class SlotArguments:
    """The arguments that name a view by its subject.

    A document is named by its id, or by its path if it lies below others; a parameter is the JSON
    of its value. They have the names of the slots. Of a document that with ``_id`` is taken, too;
    and the argument of a view of one root alone is ``doc_id``, whichever of its names is given.
    """

    def __init__(self, subject: ViewSubject[Any]) -> None:
        self._subject = subject
        called = {name: "doc_id" if subject.is_document else name for name in subject.slots}
        #: The names of arguments by all names that are taken for them.
        self._names = {name: called[slot] for name, slot in subject.names_from_outside().items()}
        self._slots = {called[name]: slot for name, slot in subject.slots.items()}
        #: How each argument is read from JSON.
        self.fields = {name: self._field_of(slot) for name, slot in self._slots.items()}

    def named(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names that this class has for them; unknown ones as they are.

        :raises ValidationError: one is given by two names.
        """
        found: dict[str, Any] = {}
        said: dict[str, str] = {}
        wrong: dict[str, list[str]] = {}
        for name, value in given.items():
            known = self._names.get(name, name)
            if known in said:
                wrong[name] = [f"It is the same as {said[known]}: give one of them."]
            found[known], said[known] = value, name
        refuse_if(wrong)
        return found

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The texts of the arguments in the view's key, by their names, in order.

        :raises ValidationError: naming each that is unknown, missing, wrong, or given twice.
        """
        found = self.named(given)
        wrong = unknown_in(found, self.fields)
        texts: dict[str, str] = {}
        for name, field in self.fields.items():
            try:
                value = field.deserialize(found.get(name, marshmallow.missing))
                texts[name] = self._text_of(self._slots[name], value)
            except marshmallow.ValidationError as error:
                wrong[name] = [str(said) for said in error.messages]
            except ValidationError as error:
                wrong[name] = [said for each in error.messages.values() for said in each]
        refuse_if(wrong)
        return texts

    def key_of(self, texts: Mapping[str, str]) -> str:
        """The key of the view that was asked for, by the texts of all arguments."""
        return SEPARATOR.join(texts.values())

    def build(self, texts: Mapping[str, str]) -> ViewModel:
        """The view that was asked for, read through what is in force.

        :raises DocumentNotFoundError: there is no such root, or no such member.
        """
        view: ViewModel = self._subject.open(self.key_of(texts))
        return view

    def telling(self, given: Mapping[str, Any], texts: Mapping[str, str]) -> Mapping[str, str]:
        """What tells the view from others: the texts, however the arguments are written."""
        return texts

    def _field_of(self, slot: Slot[Any]) -> marshmallow.fields.Field[Any]:
        if isinstance(slot, Param):
            return slot.type.field(required=True)
        model = self._subject.models.get(slot.name)
        if model is None:
            return marshmallow.fields.String(required=True)
        if self._subject.is_document:
            return document_field(model)
        what = "path" if model.keyed_by_path() else "id"
        said = {"description": f"The {what} of the {model.__name__}."}
        return marshmallow.fields.String(required=True, metadata=said)

    def _text_of(self, slot: Slot[Any], value: Any) -> str:
        text = slot.part_of(value) if isinstance(slot, Param) else value
        self._subject.part_of(slot.name, text)
        return str(text)


def document_field(model: type[DomainModel]) -> marshmallow.fields.Field[Any]:
    """The field of the argument that names a document."""
    said = {"description": "The path of the document."} if model.keyed_by_path() else {}
    return marshmallow.fields.String(required=True, metadata=said)


def unknown_in(
    given: Mapping[str, Any], fields: Mapping[str, marshmallow.fields.Field[Any]]
) -> dict[str, list[str]]:
    """What is wrong with arguments so far: those that are unknown, by name."""
    said = ", ".join(fields) or "none"
    return {
        name: [f"Unknown argument; there are {said}{nearest(name, fields) or '.'}"]
        for name in given
        if name not in fields
    }


def refuse_if(wrong: Mapping[str, list[str]]) -> None:
    """Refuse what a client said, if anything is wrong with it.

    :raises ValidationError: by the names that the client knows.
    """
    if wrong:
        error = ValidationError(wrong)
        error.by_field = True
        raise error
