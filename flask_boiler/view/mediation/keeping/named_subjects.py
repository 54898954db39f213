"""The subjects that a mediator's ``query=`` names, where they are more than a query's documents."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.errors import BoilerError, ConfigurationError, MaterializationError
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import targets_of
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.each import Each
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.slots.reference import Reference
from flask_boiler.viewmodels.slots.slot import Slot
from flask_boiler.viewmodels.view_builder import only_root, require_root_of
from flask_boiler.viewmodels.view_model import ViewModel, has_own_new, store_class
from flask_boiler.viewmodels.view_subject import SEPARATOR

__all__ = ["DocumentNaming", "NamedSubjects", "Naming", "is_of_one_document", "named_by"]


class _Row(NamedTuple):
    """Some parts of a subject, by slot, and the documents of the roots among them, by path."""

    parts: Mapping[str, str]
    snapshots: Mapping[str, Snapshot]


@dataclass(frozen=True, slots=True)
class Naming:
    """The subjects that are named in one cut: the documents of each one's roots.

    :param error: why something in it names no subject, if something does not.
    """

    roots: Mapping[str, Mapping[str, Snapshot]] = field(default_factory=dict)
    error: Exception | None = None


def named_by(view_cls: type[ViewModel], query: Any) -> NamedSubjects | None:
    """The subjects that ``query=`` names; ``None`` if each of its documents is one root.

    :raises ConfigurationError: it does not fit the views.
    """
    if query is None or isinstance(query, Mapping):
        return NamedSubjects(view_cls, query)
    if has_own_new(view_cls):
        require_root_of(view_cls, query)
        return None
    parts = [s for s in store_class(view_cls).subject_slots() if not isinstance(s, Each)]
    if len(parts) != 1 or not isinstance(parts[0], Reference):
        return NamedSubjects(view_cls, query)
    require_root_of(view_cls, query, parts[0].name)
    return None


def is_of_one_document(view_cls: type[ViewModel]) -> bool:
    """Whether a view is of one root alone, or has a ``new`` that takes one document."""
    slots = store_class(view_cls).subject_slots()
    return has_own_new(view_cls) or (len(slots) == 1 and bool(store_class(view_cls).roots()))


class _Source(Protocol):
    """A part of ``query=``: it names the values of some slots."""

    def rows(self, reader: CutReader, codec: Codec) -> Iterator[_Row | Exception]:
        """The combinations of values that there are, or what is wrong with one."""
        ...


class NamedSubjects:
    """The subjects that ``query=`` names: one for each combination of what it says of the slots.

    :param query: ``None`` of views of which there is one; a query whose documents are the root,
        and have the parameters as attributes; or a mapping by slot, of a root to a query or to
        documents, of a parameter to a query or to values.
    :raises ConfigurationError: it says too little, too much, or something else.
    """

    def __init__(self, view_cls: type[ViewModel], query: Any) -> None:
        self._view_cls = view_cls
        store_cls = store_class(view_cls)
        each = store_cls.each_slot()
        self._slots = {s.name: s for s in store_cls.subject_slots() if s is not each}
        self._sources: list[_Source] = list(self._sources_of(query))

    def found(self, reader: CutReader, codec: Codec) -> Naming:
        """The subjects in the cut of a reader.

        :raises Incomplete: the cut does not hold the queries.
        """
        columns: list[list[_Row]] = []
        error: Exception | None = None
        for source in self._sources:
            rows: dict[tuple[str, ...], _Row] = {}
            for row in source.rows(reader, codec):
                if isinstance(row, Exception):
                    error = error or row
                else:
                    rows[tuple(row.parts.values())] = row
            columns.append(list(rows.values()))
        combinations = itertools.product(*columns)
        return Naming(dict(self._combined(rows) for rows in combinations), error)

    def _combined(self, rows: Iterable[_Row]) -> tuple[str, Mapping[str, Snapshot]]:
        parts: dict[str, str] = {}
        snapshots: dict[str, Snapshot] = {}
        for row in rows:
            parts |= row.parts
            snapshots |= row.snapshots
        return SEPARATOR.join(parts[name] for name in self._slots), snapshots

    def _sources_of(self, query: Any) -> Iterator[_Source]:
        name = self._view_cls.__name__
        if not self._slots:
            if query is not None:
                if not store_class(self._view_cls).declared_slots():
                    # Its store is missing, rather than its root.
                    only_root(self._view_cls)
                raise ConfigurationError(
                    f"{name} has 0 roots and no parameters, so there is one view, and query= has "
                    "nothing to name: leave it out, or give the store a root"
                )
        elif query is None:
            raise ConfigurationError(
                f"{name} is of {', '.join(self._slots)}: say by query= which there are, as in "
                f"query={{{next(iter(self._slots))!r}: …}}"
            )
        elif isinstance(query, Mapping):
            yield from self._by_slot(query)
        else:
            yield self._by_document(query)

    def _by_document(self, query: Any) -> _Source:
        if isinstance(query, Collection):
            name = next(iter(self._slots))
            raise ConfigurationError(
                f"query={query!r:.60} of {self._view_cls.__name__} is not a query: say of which "
                f"slot these are, as in query={{{name!r}: [...]}}"
            )
        roots = [slot for slot in self._slots.values() if isinstance(slot, Reference)]
        if len(roots) > 1:
            name = self._view_cls.__name__
            names = ", ".join(slot.name for slot in roots)
            raise ConfigurationError(
                f"{name} has {len(roots)} roots ({names}), and one document can be one of them: "
                f"say by slot which there are, as in query={{{roots[0].name!r}: …}}"
            )
        return DocumentNaming(self._view_cls, list(self._slots.values()), query)

    def _by_slot(self, query: Mapping[str, Any]) -> Iterator[_Source]:
        name = self._view_cls.__name__
        each = store_class(self._view_cls).each_slot()
        for key in query:
            if each is not None and key == each.name:
                raise ConfigurationError(
                    f"query= of {name} names {key!r}, whose members the source of {each!r} names: "
                    "leave it out"
                )
            if key not in self._slots:
                hint = nearest(str(key), self._slots)
                raise ConfigurationError(
                    f"query= of {name} names {key!r}, and has to say of which "
                    f"{', '.join(self._slots)} there are views{hint}"
                )
        for slot in self._slots.values():
            if slot.name not in query:
                raise ConfigurationError(
                    f"query= of {name} does not say which {slot.name} there are: add "
                    f"{slot.name!r} to it"
                )
            yield _source_of(self._view_cls, slot, query[slot.name])


def _source_of(view_cls: type[ViewModel], slot: Slot[Any], given: Any) -> _Source:
    where = f"query={{{slot.name!r}: …}} of {view_cls.__name__}"
    if isinstance(given, str | bytes | Mapping):
        raise ConfigurationError(f"{where} is {given!r:.60}: expected a query or a list")
    if isinstance(slot, Param):
        if isinstance(given, Collection):
            return _Values(slot, given, where)
        if not isinstance(given, Query):
            raise ConfigurationError(f"{where}: expected a list of values, or a Query")
        return DocumentNaming(view_cls, [slot], given, or_id=True)
    assert isinstance(slot, Reference)
    if isinstance(given, Collection):
        return _Documents(slot, given, where)
    return DocumentNaming(view_cls, [slot], given)


class _Values:
    """The values of a parameter that are listed."""

    def __init__(self, slot: Param[Any], values: Collection[Any], where: str) -> None:
        try:
            self._rows = [_Row({slot.name: slot.part_of(value)}, {}) for value in values]
        except BoilerError as error:
            raise ConfigurationError(f"{where}: {error}") from error

    def rows(self, reader: CutReader, codec: Codec) -> Iterator[_Row | Exception]:
        """The values."""
        return iter(self._rows)


class _Documents:
    """The roots that are listed: those of them that exist."""

    def __init__(self, slot: Reference[Any], documents: Collection[Any], where: str) -> None:
        self._slot = slot
        try:
            self._paths = [slot.part_of(document) for document in documents]
        except (BoilerError, ValueError) as error:
            raise ConfigurationError(f"{where}: {error}") from error

    def rows(self, reader: CutReader, codec: Codec) -> Iterator[_Row | Exception]:
        """Those that exist in the cut of a reader."""
        found = reader.documents(self._paths)
        for path in self._paths:
            if found[path].exists:
                yield _Row({self._slot.name: path}, {path: found[path]})


class DocumentNaming:
    """What the documents of a query name: themselves as a root, parameters by their attributes.

    A document in which one of the attributes is not set names nothing.

    :param slots: at most one root, and parameters.
    :param or_id: take the document's id, where its class has no attribute of a parameter's name.
    :raises ConfigurationError: the query is of another model than the root, or its model has no
        such attribute.
    """

    def __init__(
        self,
        view_cls: type[ViewModel],
        slots: Sequence[Slot[Any]],
        query: Any,
        *,
        or_id: bool = False,
    ) -> None:
        self._query = query
        self._params = [slot for slot in slots if isinstance(slot, Param)]
        self._root = next((slot for slot in slots if isinstance(slot, Reference)), None)
        if self._root is not None:
            require_root_of(view_cls, query, self._root.name)
        self._by_id: set[str] = set()
        if self._params:
            self._by_id = _without_attribute(view_cls, self._params, query, or_id=or_id)
        # What each document names, until it changes: most do not, from one cut to the next.
        self._known: dict[str, tuple[int, Mapping[str, str] | Exception | None]] = {}

    @classmethod
    def of_one_view(cls, view_cls: type[ViewModel], query: Any) -> DocumentNaming:
        """What the documents of a query name, where each names one view.

        :raises ConfigurationError: one document does not say which view it is.
        """
        slots = store_class(view_cls).subject_slots()
        roots = [slot.name for slot in slots if isinstance(slot, Reference)]
        if len(roots) > 1 or not slots or store_class(view_cls).each_slot() is not None:
            said = ", ".join(slot.name for slot in slots) or "nothing, as there is one"
            raise ConfigurationError(
                f"{view_cls.__name__} is of {said}, and one document has to say which view it is: "
                "use a QueryMediator for it"
            )
        return cls(view_cls, slots, query)

    def values_of(self, snapshot: Snapshot) -> dict[str, Any]:
        """The parts of the subject that a document names, by slot.

        :raises MaterializationError: it lacks one.
        :raises ValidationError: a parameter is of another type, or can be no part of a path.
        """
        values = self.values(snapshot)
        if values is None:
            names = ", ".join(slot.name for slot in self._params)
            raise MaterializationError(
                f"{snapshot.path} does not say which {names}: it is not set", key=snapshot.path
            )
        return values

    def rows(self, reader: CutReader, codec: Codec) -> Iterator[_Row | Exception]:
        """What the documents of the query name in the cut of a reader."""
        before, self._known = self._known, {}
        for snapshot in _found(self._query, reader, codec):
            known = before.get(snapshot.path)
            if known is None or known[0] != snapshot.update_time_ns:
                known = (snapshot.update_time_ns, self._texts(snapshot))
            self._known[snapshot.path] = known
            parts = known[1]
            if isinstance(parts, Exception):
                yield parts
            elif parts is not None:
                yield _Row(parts, {} if self._root is None else {snapshot.path: snapshot})

    def values(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """The parts of a subject that a document names, by slot; ``None`` if it lacks one.

        :raises ValidationError: a parameter is of another type, or can be no part of a path.
        """
        values: dict[str, Any] = {} if self._root is None else {self._root.name: snapshot}
        if not self._params:
            return values
        model: Any = self._query.model_cls.from_snapshot(snapshot)
        for slot in self._params:
            by_id = slot.name in self._by_id
            value = snapshot.id if by_id else getattr(model, slot.name)
            if value is None:
                return None
            values[slot.name] = slot.value_of(value) if by_id else slot.resolve(value)
        return values

    def _texts(self, snapshot: Snapshot) -> Mapping[str, str] | Exception | None:
        slots = [*filter(None, [self._root]), *self._params]
        try:
            values = self.values(snapshot)
            return values and {slot.name: slot.part_of(values[slot.name]) for slot in slots}
        except Exception as error:
            names = ", ".join(slot.name for slot in slots)
            told = MaterializationError(
                f"{snapshot.path} names no {names}: {error}", key=snapshot.path
            )
            told.__cause__ = error
            return told


def _without_attribute(
    view_cls: type[ViewModel], params: Sequence[Param[Any]], query: Any, *, or_id: bool
) -> set[str]:
    """The parameters that are no attributes of what a query finds.

    :raises ConfigurationError: there are some, and they are not to be ids; or the query does not
        say what it finds.
    """
    names = ", ".join(slot.name for slot in params)
    if not isinstance(query, Query):
        raise ConfigurationError(
            f"{view_cls.__name__} is of {names}, and Google's query does not say which attributes "
            "its documents have: give it a Query, such as Match.get_query()"
        )
    known = query.model_cls.attributes()
    unknown = [slot.name for slot in params if slot.name not in known]
    if unknown and not or_id:
        model = query.model_cls.__name__
        raise ConfigurationError(
            f"{view_cls.__name__} is of {names}, and {model}, which the query finds, has no "
            f"attribute {unknown[0]!r}{nearest(unknown[0], known)}: give it one, or say by slot "
            f"which there are, as in query={{{unknown[0]!r}: [...]}}"
        )
    return set(unknown)


def _found(query: Any, reader: CutReader, codec: Codec) -> Iterable[Snapshot]:
    found = [snapshot for target in targets_of(query, codec) for snapshot in reader.query(target)]
    return {snapshot.path: snapshot for snapshot in found}.values()
