"""``Meta.path``: the template of a view's place, over what its store holds."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flask_boiler.attrs import registry
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.model_state import OMIT
from flask_boiler.errors import DeclarationError, UnknownModelError
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import HasPath
from flask_boiler.models.collection import CollectionModel
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.slots.reference import Reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.stored_view import STORED_NAMES

__all__ = ["PathTemplate"]

_FIELD = re.compile(r"(?P<slot>[A-Za-z_]\w*)(?P<rest>(?:\.[A-Za-z_]\w*|\[[^\]]*\])*)")
_STEP = re.compile(r"\.(\w+)|\[([^\]]*)\]")


class PathTemplate:
    """A template such as ``"cityView/{city.doc_id}"``.

    :param where: what messages call it, as in ``CityView.Meta.path``.
    :raises DeclarationError: it is none.
    """

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        try:
            self._parsed = list(string.Formatter().parse(text))
        except (TypeError, ValueError) as error:
            raise DeclarationError(f"{where} is {text!r:.80}: {error}") from error
        self._fields = [field for _, field, _, _ in self._parsed if field is not None]
        # What a field gives may be several segments, but for an id.
        self._segments = "".join(
            literal + ("" if field is None else "x") for literal, field, _, _ in self._parsed
        ).split("/")

    def check(self, store_cls: type[Store]) -> None:
        """Check that it names a document, and what the store has, as far as that is declared.

        :raises DeclarationError: it does not; the nearest name is told.
        """
        self._check_shape()
        for field in self._fields:
            if _FIELD.fullmatch(field) is None:
                raise self._refusal(field, "expected a slot of the store, as in {city.doc_id}")
        if store_cls.declared_slots():
            self.check_fields(store_cls)

    def check_fields(self, store_cls: type[Store]) -> None:
        """Check that the store has what the template names, also if it declares nothing at all.

        :raises DeclarationError: it has not; the nearest name is told.
        """
        for field in self._fields:
            found = _FIELD.fullmatch(field)
            assert found is not None  # check() has looked
            self._check_field(field, store_cls, found["slot"], _STEP.findall(found["rest"]))

    def require_all_parts(self, store_cls: type[Store]) -> None:
        """Check that views of different subjects have different places, as far as that is said.

        :raises DeclarationError: the template names some slots of the subject, and not the others.
        """
        subject = [slot.name for slot in store_cls.subject_slots()]
        named = {found["slot"] for field in self._fields if (found := _FIELD.fullmatch(field))}
        left_out = [name for name in subject if name not in named]
        # What the store computes may follow from all of them, and a property may say anything.
        of_one_root = len(subject) == 1 and subject == store_cls.roots()
        if left_out and named <= set(subject) and not of_one_root:
            said = ", ".join(left_out)
            raise DeclarationError(
                f"{self._where} is {self._text!r}, which does not name {said}: all views that "
                f"differ only by that would be kept at one place"
            )

    def of_one_subject(self, texts: Mapping[str, str]) -> str | None:
        """The path for one subject; ``None`` if what is stored there might be another's.

        It is the subject's own if each of its slots is named as it is, and no two of them in one
        segment, where they might run together.

        :param texts: what the fields that name the slots of the subject become, by field.
        """
        if set(self._fields) != texts.keys():
            return None
        before = [literal for literal, field, _, _ in self._parsed[1:] if field is not None]
        changed = any(how or conversion for _, _, how, conversion in self._parsed)
        if changed or not all("/" in literal for literal in before):
            return None
        return "".join(
            literal + ("" if field is None else texts[field])
            for literal, field, _, _ in self._parsed
        )

    def filled(self, store: Any) -> str:
        """The path for a store.

        :raises ValueError: what the template names is ``None``, or can be no part of a path.
        """
        return _Formatter().vformat(self._text, (), _StoreFields(store))

    def _check_shape(self) -> None:
        known = all(field.endswith(".doc_id") for field in self._fields)
        if "" in self._segments or (known and len(self._segments) % 2):
            raise DeclarationError(
                f"{self._where} is {self._text!r}, which names no document: expected a collection "
                "and an id, as in 'cityView/{city.doc_id}', or the same below another document"
            )

    def _check_field(
        self, field: str, store_cls: type[Store], name: str, steps: list[tuple[str, str]]
    ) -> None:
        slot = store_cls.declared_slots().get(name)
        if slot is None:
            if hasattr(store_cls, name):
                # A property of the store, say: what it gives is only known later.
                return
            known = store_cls.declared_slots()
            hint = nearest(name, known)
            said = f"{store_cls.__name__} has no slot {name!r}{hint}"
            raise self._refusal(field, said if known else f"{said} (it has none)")
        if isinstance(slot, Param) or (isinstance(slot, Each) and slot.of_ids):
            if steps:
                raise self._refusal(field, f"{slot!r} is a value: write {{{name}}}")
            return
        if not isinstance(slot, Reference):
            return
        if not steps and not slot.many:
            raise self._refusal(
                field, f"that is a whole document: name a part of it, as in {{{name}.doc_id}}"
            )
        if not steps or not steps[0][0]:
            return
        if slot.many:
            raise self._refusal(
                field,
                f"{store_cls.__name__}.{name} is a reference to many, which has no "
                f"{steps[0][0]!r}: use doc_refs for several places",
            )
        self._check_steps(field, slot, [attribute for attribute, _ in steps])

    def _check_steps(self, field: str, slot: Reference[Any], names: list[str]) -> None:
        """Check attributes of the slot's model, and of what is embedded in it."""
        try:
            model: Any = slot.model
        except UnknownModelError:
            # It may be declared later; then the first view tells.
            return
        if model is None:
            return
        name, *rest = names
        known = _names_of(model)
        if name not in known:
            # As the id is called in snapshots of Google's.
            hint = "; did you mean 'doc_id'?" if name == "id" else nearest(name, known)
            raise self._refusal(field, f"{model.__name__} has no {name!r}{hint}")
        attribute = model.attributes().get(name)
        if rest and isinstance(attribute, Attr):
            self._check_part(field, attribute, rest[0])

    def _check_part(self, field: str, attribute: Attr[Any], name: str) -> None:
        try:
            known = attribute.kind.part_names
        except UnknownModelError:
            return
        if name and known and name not in known:
            raise self._refusal(field, f"{attribute!r} has no {name!r}{nearest(name, known)}")

    def _refusal(self, field: str, why: str) -> DeclarationError:
        return DeclarationError(f"{self._where} has {{{field}}}: {why}")


def _names_of(model: Any) -> Collection[str]:
    """The names that can be read of a slot's model: of a stored view, its attributes only."""
    if not issubclass(model, CollectionModel):
        return {*model.attributes(), *STORED_NAMES}
    classes = [model, *registry.descendants(model)]
    return {name for cls in classes for name in (*dir(cls), *cls.attributes())}


class _Formatter(string.Formatter):
    """Fills a path template; what is not there must not become a place called ``None``."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        known = kwargs.id_of(field_name)
        if known is not None:
            return known, field_name
        found = super().get_field(field_name, args, kwargs)
        value = found[0]
        if isinstance(value, str):
            # Mostly; and it takes long to find out whether something else has a path.
            return found
        if value is None or value is OMIT:
            raise ValueError(f"Meta.path needs {field_name}, which is {value!r}")
        if isinstance(value, HasPath):
            raise ValueError(
                f"Meta.path needs {field_name}, which is a reference: write {{{field_name}.id}}"
            )
        if isinstance(value, Model | Iterable):
            raise ValueError(
                f"Meta.path needs {field_name}, and a value of type {type(value).__name__} cannot "
                "be part of a path: compute the path in doc_ref or doc_refs"
            )
        return found


class _StoreFields(dict[str, Any]):
    """The store's slots as the fields of a path template."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def id_of(self, field_name: str) -> str | None:
        """The id that a field asks for, if it is known without reading the document.

        Otherwise the view would depend on all that the document has.
        """
        name, _, attribute = field_name.partition(".")
        return self._store.id_handed_in(name) if attribute == "doc_id" else None

    def __missing__(self, name: str) -> Any:
        value = getattr(self._store, name)
        slot = getattr(type(self._store), name, None)
        return slot.part_of(value) if isinstance(slot, Param) else value
