"""The query: what is asked of one model's documents. Immutable; it runs when it is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from flask_boiler.attrs.condition import Condition
from flask_boiler.context.context import current_context
from flask_boiler.errors import QueryError
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.protocol import field_names
from flask_boiler.firestore.query_compiler import compile_query, describe
from flask_boiler.firestore.query_rules import NAME, check, conjunction, full_orders
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import (
    Cursor,
    HasPath,
    QuerySpec,
    QueryTarget,
    Snapshot,
    document_path,
)
from flask_boiler.models.query import fields
from flask_boiler.models.query.aggregation import Aggregation, functions_of
from flask_boiler.models.query.execution import aggregate, models, read
from flask_boiler.models.query.page import Page, PlainSeal, Seal, issue_token, read_token
from flask_boiler.models.query.parts import parts_of
from flask_boiler.models.query.position import Position, Ties

if TYPE_CHECKING:
    from flask_boiler.ground.ports import Reader
    from flask_boiler.transactions.transaction import Transaction

__all__ = ["Query"]

M_co = TypeVar("M_co", covariant=True)


class Query(Generic[M_co]):
    """The documents of a model's collection that fulfil some conditions, in some order.

    Every method gives a new query, and nothing is read before the query is iterated, or asked
    for its first result, a page or an aggregation. Reading goes through the transaction or the
    view's cut that is in force.

    A model's query gives documents of that class and the classes below it, each as its own
    class. With classes and alternatives that Firestore does not take in one query it asks
    several and joins the answers, so that order, limit, offset and aggregations are still
    exactly those of the whole.

    :param model_cls: the model.
    :param spec: the query in Firestore's terms; by default all of the model's collection.
    :param parent: the document that the collection lies below, for a model of sub-collections.
    """

    __slots__ = ("_having", "_model", "_spec", "_transaction")

    def __init__(
        self,
        model_cls: type[M_co],
        spec: QuerySpec | None = None,
        *,
        parent: Any = None,
        transaction: Transaction | None = None,
        having: frozenset[str] = frozenset(),
    ) -> None:
        self._model: Any = model_cls
        self._spec = spec or _whole_collection(model_cls, parent)
        self._transaction = transaction
        # Attributes that not all classes have: only documents of those that do are found.
        self._having = having

    @property
    def model_cls(self) -> type[M_co]:
        """The model whose documents are asked for."""
        return self._model  # type: ignore[no-any-return]

    @property
    def spec(self) -> QuerySpec:
        """The query in Firestore's terms, without the condition on ``obj_type``."""
        return self._spec

    @property
    def is_collection_group(self) -> bool:
        """Whether results may lie in several collections, so that two may have one id."""
        return self._spec.all_descendants

    def key_of(self, model: Any) -> str:
        """The key that tells a result from the others: its id, or its path in a collection group.

        It is the same whatever else is found.
        """
        path: str = model.doc_path
        return path if self.is_collection_group else path.rpartition("/")[2]

    # -- narrowing

    def where(self, *conditions: Condition, **equals: Any) -> Self:
        """The query for documents that also fulfil all of these conditions.

        ::

            City.where(City.population < 1_000_000, country="USA")

        A keyword is an attribute of the model; or of a class below it, and then only documents
        of the classes that have it are found. ``doc_id`` is the document's id. A field that no
        attribute declares is compared as ``F("its_name") == 1``.

        :raises QueryError: there is no such attribute, or Firestore cannot ask this.
        """
        given = [fields.filter_of(self._model, condition) for condition in conditions]
        named = [fields.equality(self._model, name, value) for name, value in equals.items()]
        where = conjunction(self._spec.where, *given, *(filter for filter, _ in named))
        return self._having_all(only for _, only in named)._but(where=where)

    def order_by(self, *criteria: Any, descending: bool = False) -> Self:
        """Sorted by attributes, given as such or by name; ``-`` before a name turns it around.

        Documents that do not have the field are left out: Firestore does not find them. Names are
        those that ``where`` takes.

        :raises QueryError: there is no such attribute, or a range was given already.
        """
        if self._spec.start is not None or self._spec.end is not None:
            raise QueryError(
                "order_by has to come before start_at, start_after, end_at, end_before"
            )
        named = [fields.order_by(self._model, each, descending=descending) for each in criteria]
        orders = (*self._spec.orders, *(order for order, _ in named))
        return self._having_all(only for _, only in named)._but(orders=orders)

    def limit(self, n: int) -> Self:
        """The query for at most the first ``n`` documents."""
        return self._but(limit=n, limit_to_last=False)

    def limit_to_last(self, n: int) -> Self:
        """The query for at most the last ``n`` documents, still in the query's order."""
        return self._but(limit=n, limit_to_last=True)

    def offset(self, n: int) -> Self:
        """Without the first ``n``; Firestore reads them all the same, so prefer pages."""
        return self._but(offset=n)

    def start_at(self, *position: Any) -> Self:
        """From this position on.

        :param position: a value for each order, or for the first few; or a document, as a model
            or a snapshot.
        """
        return self._from("start", position, before=True)

    def start_after(self, *position: Any) -> Self:
        """From just after this position on; see ``start_at``."""
        return self._from("start", position, before=False)

    def end_at(self, *position: Any) -> Self:
        """Up to and with this position; see ``start_at``."""
        return self._from("end", position, before=False)

    def end_before(self, *position: Any) -> Self:
        """Up to just before this position; see ``start_at``."""
        return self._from("end", position, before=True)

    def below(self, parent: Any) -> Self:
        """In the collection below this document, a path, a reference or a model, and no deeper."""
        return self._but(parent=_parent_path(parent), all_descendants=False)

    def collection_group(self) -> Self:
        """In every collection of this name, wherever it lies below the parent, or in all."""
        return self._but(all_descendants=True)

    def using(self, transaction: Transaction | None) -> Self:
        """Read through this transaction, whichever is in force."""
        return self._remade(transaction=transaction)

    # -- reading

    def __iter__(self) -> Iterator[M_co]:
        return models(self._model, self._read(self._spec), self._reader or current_reader())

    def get(self, *, transaction: Transaction | None = None) -> list[M_co]:
        """The results, in a list.

        :raises MissingIndexError: with the page that creates the index.
        """
        return list(self if transaction is None else self.using(transaction))

    def first(self, *, transaction: Transaction | None = None) -> M_co | None:
        """The first result, or ``None``; reads no more than one."""
        chosen = self if transaction is None else self.using(transaction)
        limited = chosen if self._spec.limit == 0 or self._spec.limit_to_last else chosen.limit(1)
        return next(iter(limited), None)

    def page(self, size: int, token: str | None = None) -> Page[M_co]:
        """``size`` results, and the token of the page after them.

        Pages continue where the last one ended, also when documents come and go meanwhile.

        :param token: the last page's ``next_page_token``; ``None`` for the first page.
        :raises QueryError: the token is of another query.
        """
        found = self.snapshot_page(size, token)
        results = list(models(self._model, found.results, self._reader or current_reader()))
        return Page(results, found.next_page_token)

    def snapshot_page(
        self, size: int, token: str | None = None, *, seal: Seal | None = None
    ) -> Page[Snapshot]:
        """A page of documents as they are stored, whether or not they are valid; see :meth:`page`.

        :param seal: makes the tokens, of which it is said what clients may see of them.
        """
        self._check_page(size)
        seal = seal or PlainSeal()
        codec = current_context().decoder
        after = None if token is None else read_token(self._spec, token, codec, seal)
        given = 0 if after is None else after.given
        limit = self._spec.limit
        wanted = size if limit is None else min(size, limit - given)
        ties = Ties(self._spec, codec)
        found = self._following(ties, after, wanted) if wanted > 0 else []
        shown = found[:wanted]
        follows = len(found) > wanted and (limit is None or given + wanted < limit)
        if not follows:
            return Page(shown, None)
        place = ties.position(shown[-1], given + len(shown))
        return Page(shown, issue_token(self._spec, place, codec, seal))

    def _following(self, ties: Ties, after: Position | None, wanted: int) -> list[Snapshot]:
        """More than so many documents after a position; fewer, if there are no more."""
        spec = self._spec
        if after is not None:
            start = ties.start(after) or spec.start
            spec = spec.but(orders=ties.orders, start=start, offset=0)
        asked = wanted + 1
        while True:
            found = list(self._read(spec.but(limit=asked)))
            at_end = len(found) < asked
            if at_end or not ties.may_go_on(found[-1]):
                following = ties.in_order(found, after)
                if at_end or len(following) > wanted:
                    return following
            # Long values that begin alike: what comes next may have to be given before these.
            asked *= 2

    def pages(self, size: int) -> Iterator[Page[M_co]]:
        """The pages of ``size``, each read when it is asked for; at least one, if empty."""
        page = self.page(size)
        yield page
        while page.next_page_token is not None:
            page = self.page(size, page.next_page_token)
            yield page

    def count(self, *, transaction: Transaction | None = None) -> int:
        """The number of results; the server counts them."""
        return int(self._aggregate({"value": "count"}, transaction))

    def sum(self, attribute: Any, *, transaction: Transaction | None = None) -> int | float:
        """The sum of an attribute's numbers; 0 if there are none."""
        value: int | float = self._aggregate({"value": ("sum", attribute)}, transaction)
        return value

    def avg(self, attribute: Any, *, transaction: Transaction | None = None) -> float | None:
        """The average of an attribute's numbers; ``None`` if there are none."""
        value: float | None = self._aggregate({"value": ("avg", attribute)}, transaction)
        return value

    def aggregate(self, **aggregations: Aggregation) -> dict[str, Any]:
        """Several aggregations at one time, by the names that they are given.

        ::

            City.where(country="USA").aggregate(
                cities="count", people=("sum", City.population), mean=("avg", City.population)
            )

        :raises QueryError: there is no such attribute or function.
        """
        functions = functions_of(self._model, aggregations)
        return aggregate(self._spec, self._parts(self._spec), functions, self._reader)

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """The targets that the server is asked, or listened to, to know the whole result."""
        return [compile_query(part, codec) for part in self._parts(self._spec)]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Query)
            and self._model is other._model
            and self._spec == other._spec
            and self._having == other._having
        )

    def __hash__(self) -> int:
        return hash((self._model, describe(self._spec), self._having))

    def __repr__(self) -> str:
        having = f" having {', '.join(sorted(self._having))}" if self._having else ""
        return f"<Query {self._model.__name__}{having}: {describe(self._spec)}>"

    # -- inside

    @property
    def _reader(self) -> Reader | None:
        return None if self._transaction is None else self._transaction.reader

    def _but(self, **changes: Any) -> Self:
        return self._remade(spec=check(self._spec.but(**changes)))

    def _remade(self, **changes: Any) -> Self:
        kept = {"spec": self._spec, "transaction": self._transaction, "having": self._having}
        return type(self)(self._model, **{**kept, **changes})

    def _having_all(self, names: Iterable[str | None]) -> Self:
        """The query for documents of classes with these attributes; ``None`` if there is none."""
        having = self._having.union(name for name in names if name is not None)
        if having and not self._model.type_names_having(having):
            raise QueryError(
                f"neither {self._model.__name__} nor a subclass of it has all of "
                f"{', '.join(sorted(having))}, so no document would be found"
            )
        return self._remade(having=having)

    def _parts(self, spec: QuerySpec) -> list[QuerySpec]:
        model, having = self._model, self._having
        return parts_of(spec, model.type_names_having(having) if having else model.type_names())

    def _read(self, spec: QuerySpec) -> Iterator[Snapshot]:
        return read(spec, self._parts(spec), self._reader)

    def _aggregate(self, asked: dict[str, Any], transaction: Transaction | None) -> Any:
        chosen = self if transaction is None else self.using(transaction)
        return chosen.aggregate(**asked)["value"]

    def _from(self, end: str, position: tuple[Any, ...], *, before: bool) -> Self:
        document = position[0] if len(position) == 1 else None
        if _is_document(document):
            orders = full_orders(self._spec)
            values = tuple(_value_in(document, order.field) for order in orders)
            return self._but(**{"orders": orders, end: Cursor(values, before)})
        values = tuple(
            fields.cursor_value(self._model, order.field, value)
            for order, value in zip(self._spec.orders, position, strict=False)
        )
        surplus = position[len(values) :]
        return self._but(**{end: Cursor((*values, *surplus), before)})

    def _check_page(self, size: int) -> None:
        if not isinstance(size, int) or size < 1:
            raise QueryError(f"page({size!r}): the size of a page is at least 1")
        if self._spec.limit_to_last:
            raise QueryError("limit_to_last has no pages: reverse the order and use limit")


def _whole_collection(model_cls: Any, parent: Any) -> QuerySpec:
    path = model_cls.collection_path(None if parent is None else _parent_path(parent))
    below, _, collection = path.rpartition("/")
    return QuerySpec(collection, parent=below)


def _parent_path(parent: Any) -> str:
    named = parent.doc_ref if hasattr(type(parent), "doc_ref") else parent
    if not isinstance(named, str | HasPath):
        raise QueryError(f"{parent!r:.80} is not a document: expected a path or a reference")
    try:
        return document_path(named)
    except ValueError as error:
        raise QueryError(str(error)) from error


def _is_document(position: Any) -> bool:
    return isinstance(position, Snapshot) or hasattr(type(position), "from_snapshot")


def _value_in(document: Any, field: str) -> Any:
    """The stored value of a document at one order's field."""
    if field == NAME:
        return document.path if isinstance(document, Snapshot) else _parent_path(document)
    value: Any = document.fields if isinstance(document, Snapshot) else document.to_dict()
    for name in field_names(field):
        if not isinstance(value, dict) or name not in value:
            raise QueryError(
                f"{document!r:.80} has no value for {field}, by which the query is ordered"
            )
        value = value[name]
    return value
