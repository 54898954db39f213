"""Notices: the calls of ``notify`` of views whose class overrides it, one for each new value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_boiler.engine.publishing.place import digest
from flask_boiler.engine.sink import DocumentSink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import encoded_fields
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.readers import reading_through
from flask_boiler.viewmodels.view_model import ViewModel, publishes

__all__ = ["Notices", "is_published"]


def is_published(view: ViewModel) -> bool:
    """Call a view's ``notify``; whether it publishes the view.

    It reads the database as it is, and nothing of that is recorded.

    :raises MaterializationError: it raised; the class and ``notify`` are named.
    """
    with reading_through(None):
        # What Firestore refuses everybody is no fault of the view's: the engine is to know.
        return publishes(view, but=is_refusal)


class Notices:
    """The notices of what one live view keeps, and the values that ``notify`` has withheld.

    :param key: the live view.
    :param sink: knows what is stored.
    """

    def __init__(self, key: ViewKey, sink: DocumentSink) -> None:
        self._key = key
        self._sink = sink
        #: By place, the digest of the newest document that was not published.
        self._withheld: dict[str, bytes] = {}

    def publishes(self, view: ViewModel, documents: Mapping[str, Any]) -> bool:
        """Whether a computed view is to be published; its ``notify`` is asked if it is new.

        :param documents: the encoded document of each of its places.
        :raises MaterializationError: ``notify`` raised.
        """
        if not self._sink.is_news(self._key, documents):
            self._forget(documents)
            return True
        digests = {place: digest(encoded_fields(d)) for place, d in documents.items()}
        if self._withheld and all(self._withheld.get(p) == d for p, d in digests.items()):
            return False
        if is_published(view):
            self._forget(documents)
            return True
        self._withheld |= digests
        return False

    def _forget(self, documents: Mapping[str, Any]) -> None:
        for place in self._withheld.keys() & documents.keys():
            del self._withheld[place]
