"""The representation of a view: its JSON, its entity tag, and when it last changed.

The tag is of the content and its root, keyed with the application's key: who does not see a view
cannot tell what its tag is, and so learns nothing from one that is refused. A stored view and the
same view computed anew have one tag, and ``If-Match`` notices a change that was committed and is
not published yet, which the update time of the stored document would not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import Response

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    DocumentNotFoundError,
    MaterializationError,
    QueryError,
    ValidationError,
)
from flask_boiler.ground.json_text import canonical_json, json_text
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, current_reader, reading_through
from flask_boiler.ground.values import QueryTarget, Snapshot
from flask_boiler.transactions.snapshot_cut import compute_once
from flask_boiler.view.mediation.secret_keys import current_keys
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import SEPARATOR, ViewSubject

__all__ = [
    "REVALIDATE",
    "DatedReader",
    "Representation",
    "as_views_own",
    "computed",
    "each_by_itself",
    "stored",
]

#: A view changes at any time: a client may keep it, and asks each time if it still holds.
REVALIDATE = "no-cache"


class Representation:
    """The representation of one view.

    :param view_cls: its class, whose schema says what JSON looks like.
    :param fields: its stored form.
    :param subject: what the view is of, such as the path of its root.
    :param newest_ns: when the newest document that it shows last changed.
    :param dated: whether that tells when the view last changed.
    """

    def __init__(
        self,
        view_cls: type[ViewModel],
        fields: Mapping[str, Any],
        *,
        subject: str = "",
        newest_ns: int = 0,
        dated: bool = False,
    ) -> None:
        values = {
            name: attribute.read(fields, where=view_cls.__name__)
            for name, attribute in view_cls.attributes().items()
            if attribute.options.export_enabled and not attribute.is_omitted(fields)
        }
        #: What ``json_text`` takes.
        self.body: dict[str, Any] = view_cls.schema().dump(values)
        self.newest_ns = newest_ns
        self._subject = subject
        self._dated = dated

    @classmethod
    def of_snapshot(
        cls, view_cls: type[ViewModel], snapshot: Snapshot, *, subject: str = ""
    ) -> Representation:
        """The representation of a stored view document."""
        newest_ns = snapshot.update_time_ns
        return cls(view_cls, snapshot.fields, subject=subject, newest_ns=newest_ns, dated=True)

    @classmethod
    def of_view(
        cls, view: ViewModel, reader: DatedReader | None = None, *, subject: str = ""
    ) -> Representation:
        """The representation of a computed view.

        :param reader: what it was read through.
        """
        fields = view.to_document()
        if reader is None:
            return cls(type(view), fields, subject=subject)
        newest_ns, dated = reader.newest_ns, reader.complete
        return cls(type(view), fields, subject=subject, newest_ns=newest_ns, dated=dated)

    @property
    def etag(self) -> str:
        """The entity tag, the same for equal content of one root, whoever computed it and when."""
        return self.etags[0]

    @property
    def etags(self) -> list[str]:
        """The tag, and those that it had by the application's older keys.

        :raises ConfigurationError: the application has no key.
        """
        text = canonical_json(self.body)
        return current_keys().tags(self._subject.encode(), text.encode())

    def response(self, status: int = 200) -> Response:
        """The answer that shows the view."""
        answer = Response(json_text(self.body), status=status, mimetype="application/json")
        answer.set_etag(self.etag)
        if self._dated:
            answer.last_modified = datetime.fromtimestamp(self.newest_ns / 1e9, UTC)
        answer.headers["Cache-Control"] = REVALIDATE
        return answer


class DatedReader:
    """A reader that reads through another, and notes the newest update time.

    A document that is missing, and one that left a query's result, has none: then the time is
    not :attr:`complete`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        #: When the newest document that was read last changed.
        self.newest_ns = 0
        #: Whether nothing that was read can have changed later than that.
        self.complete = True

    @property
    def fetches(self) -> bool:
        """Whether the other reader fetches."""
        return self._reader.fetches

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """As the other reader gives them."""
        found = self._reader.documents(paths)
        for snapshot in found.values():
            self.complete = self.complete and snapshot.exists
            self.newest_ns = max(self.newest_ns, snapshot.update_time_ns)
        return found

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """As the other reader gives it."""
        found = self._reader.query(target)
        self.complete = False
        self.newest_ns = max([self.newest_ns, *(snapshot.update_time_ns for snapshot in found)])
        return found


def computed(subject: ViewSubject[Any], key: str) -> Representation:
    """The representation of a view as it is now: strong reads of one time, a batch a level.

    :raises DocumentNotFoundError: there is no such root, or no such member.
    :raises MaterializationError: it cannot be shown.
    """
    datastore = current_context().datastore
    identity = subject.identity(key)

    def represent() -> Representation:
        reader = DatedReader(current_reader() or DirectReader(datastore))
        with reading_through(reader):
            return Representation.of_view(subject.build(identity), reader, subject=identity)

    with as_views_own(identity):
        return compute_once(represent, datastore)


def stored(subject: ViewSubject[Any], key: str) -> Representation | None:
    """The representation of a view as it is stored; ``None`` if its key does not tell where.

    Nor is what may be left of a view whose member is none any more: that has to be computed.
    """
    place = subject.stored_place(key)
    if place is None or subject.outlives_member:
        return None
    snapshot = current_context().datastore.get([place])[place]
    kind = snapshot.get("obj_type") if snapshot.exists else None
    if not snapshot.exists or kind not in (None, subject.view_cls.type_name()):
        return None
    try:
        return Representation.of_snapshot(subject.view_cls, snapshot, subject=subject.identity(key))
    except ValidationError:
        # Stored by an older declaration, say: what it is now can be computed.
        return None


@contextmanager
def as_views_own(identity: str) -> Iterator[None]:
    """Tell what is wrong with a view from what is wrong with the request for it.

    :param identity: its subject. That a part of that is missing is what the client is to be told.
    """
    try:
        yield
    except DocumentNotFoundError as error:
        if error.path in identity.split(SEPARATOR):
            raise
        raise _not_shown(identity, error) from error
    except (QueryError, ValidationError) as error:
        raise _not_shown(identity, error) from error


def _not_shown(identity: str, error: Exception) -> MaterializationError:
    """The error that a view of some subject cannot be shown."""
    said = f"{identity or 'the view'} cannot be shown: {type(error).__name__}: {error}"
    return MaterializationError(said, key=identity)


@contextmanager
def each_by_itself(identity: str) -> Iterator[None]:
    """Have whatever goes wrong with one of several views be known as that one's.

    :param identity: its subject.
    """
    try:
        with as_views_own(identity):
            yield
    except BoilerError:
        raise
    except Exception as error:
        raise _not_shown(identity, error) from error
