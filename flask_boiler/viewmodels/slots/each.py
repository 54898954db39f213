"""The slot for the members of which there is one view each, such as the readers of a room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar, overload

from flask_boiler.errors import DeclarationError, ValidationError
from flask_boiler.ground.naming import id_fault
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.reference import OneDocument, Pointed, Source
from flask_boiler.viewmodels.slots.slot import NeverMissing, require_parentheses

__all__ = ["Each", "each"]

M = TypeVar("M")
#: A domain model, or ``str``.
E = TypeVar("E", bound=DomainModel | str)


class Each(NeverMissing[M], OneDocument[M]):
    """The member that a view is of, one of those that the source names; see :func:`each`.

    :raises DeclarationError: it is neither of documents nor of ids.
    """

    _may_yield = True

    def __init__(self, model: type[M] | str, source: Source | None = None) -> None:
        require_parentheses("each", model)
        #: Whether members are ids, and not documents.
        self.of_ids = model is str
        of_documents = isinstance(model, type) and issubclass(model, DomainModel)
        if not (self.of_ids or of_documents or isinstance(model, str)):
            raise DeclarationError(
                f"each({getattr(model, '__name__', model)!s:.80}) is neither of documents nor of "
                "ids: expected a domain model, as in each(User, source=…), or each(str, source=…)"
            )
        super().__init__(None if self.of_ids else model, source)

    def __call__(
        self,
        source: Callable[
            [Any], Mapping[str, M | Pointed | None] | Iterable[M | Pointed | None] | None
        ],
    ) -> Self:
        """Take a method of the store as the source: ``@each(User)`` above it.

        :raises DeclarationError: there is a source already.
        """
        self._take(source)
        return self

    @property
    def is_root(self) -> bool:
        """No: the members are computed."""
        return False

    @property
    def from_outside(self) -> tuple[str, ...]:
        """The slot's name, and that with ``_id`` if members are documents."""
        return (self.name,) if self.of_ids else super().from_outside

    def check(self) -> None:
        """Check that there is a source, and that it can be called.

        :raises DeclarationError: there is none, or it cannot.
        """
        if self.source is None:
            raise DeclarationError(
                f"{self!r} does not say who the members are: write each(…, source=lambda store: "
                "store.room.members), or @each(…) above a method"
            )
        super().check()

    def members_and_fault(self, pointed: Any) -> tuple[dict[str, Any], DeclarationError | None]:
        """The members that the source names, by their texts in the subject; each of them once.

        What is neither an id nor a document of the model keeps no other away: what is wrong with
        the first of these is told beside.

        :raises DeclarationError: the source gives no list of members at all.
        """
        found: dict[str, Any] = {}
        fault: DeclarationError | None = None
        for member in self._listed(pointed):
            try:
                found[self.part_of(member)] = member
            except (DeclarationError, ValidationError, ValueError) as error:
                said = str(error)
                fault = fault or DeclarationError(said)
        return found, fault

    def names(self, pointed: Any, member: str) -> bool:
        """Whether the source names a member.

        Ids are only compared, so that it costs little to ask for one of many.

        :param member: by its text in the subject.
        :raises DeclarationError: it does not, and something else in it is neither an id nor a
            document of the model; or it gives no list of members at all.
        """
        listed = list(self._listed(pointed))
        plain = {each for each in listed if self._is_plain_id(each)}
        model: Any = self.model
        if member in plain or (not self.of_ids and model.key_of(member) in plain):
            return True
        others = [each for each in listed if not self._is_plain_id(each)]
        found, fault = self.members_and_fault(others)
        if member not in found and fault is not None:
            # It may be the one that is meant.
            raise fault
        return member in found

    def _is_plain_id(self, value: Any) -> bool:
        if not isinstance(value, str) or "/" in value:
            return False
        model: Any = self.model
        return self.of_ids or not model.keyed_by_path()

    def part_of(self, value: Any) -> str:
        """The path of the member's document, or the id itself.

        :raises DeclarationError: it is none.
        """
        if not self.of_ids:
            path = super().part_of(value)
            # What an id stands for, lies in the model's collection.
            is_id = isinstance(value, str) and "/" not in value
            return path if is_id else self._path_in_model(path)
        fault = id_fault(value) if isinstance(value, str) else "expected an id, which is a str"
        if fault is not None:
            raise DeclarationError(f"{self!r} cannot be {value!r:.80}: {fault}")
        return str(value)

    def resolve(self, pointed: Any) -> Any:
        """The member: its model, or its id.

        :raises DocumentNotFoundError: its document does not exist.
        """
        return self.part_of(pointed) if self.of_ids else self.resolve_existing(pointed)

    def _listed(self, pointed: Any) -> Iterator[Any]:
        if isinstance(pointed, Mapping):
            pointed = pointed.keys() if self.of_ids else pointed.values()
        odd = str | Query if self.of_ids else str
        if pointed is None:
            return iter(())
        if isinstance(pointed, odd) or not isinstance(pointed, Iterable):
            wanted = "ids" if self.of_ids else "references, or a query"
            raise DeclarationError(
                f"{self!r}: its source must return a list or a dict of {wanted}, not "
                f"{pointed!r:.80}"
            )
        return (member for member in pointed if member is not None)

    def _path_in_model(self, path: str) -> str:
        """The path, after a check that it is where the model's documents are.

        Whoever names a member by its id would otherwise mean another document.
        """
        model: Any = self.model
        try:
            expected = model.path_of_key(model.key_of(path))
        except ValidationError:
            expected = None
        if path != expected:
            raise DeclarationError(f"{self!r} cannot be {path:.200}, which is no {model.__name__}")
        return path


@overload
def each(model: type[E], *, source: Source | None = ...) -> Each[E]: ...
@overload
def each(model: str, *, source: Source | None = ...) -> Each[Any]: ...
def each(model: type[Any] | str, *, source: Source | None = None) -> Any:
    """Declare that there is one view for each of some members, such as one for each reader.

    ::

        class RoomStore(Store):
            room = root(Room)
            reader = each(User, source=lambda store: store.room.members)

    ``store.reader`` is the member that the view is of. Who is named twice has one view; who is no
    member any more has none. What does not read the slot is computed once for all of them.

    :param model: the domain model of the members, or its name; or ``str`` if they are ids.
    :param source: names the members, computed from the store as for a :func:`reference`: a list
        of ids or references, a dict whose values are that (of ids, its keys), or a query. It may
        also be a method of the store, with ``@each(User)`` above it, and it may yield them. It
        cannot read the slot itself.
    :raises DeclarationError: the members would be neither documents nor ids.
    """
    return Each(model, source)
