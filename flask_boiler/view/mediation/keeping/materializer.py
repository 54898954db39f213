"""Materializing a view: its attributes are read, and encoded as the document of each place."""

from __future__ import annotations

from typing import Any

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import MaterializationError
from flask_boiler.ground.ports import DocumentCodec
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["materialize"]

#: https://firebase.google.com/docs/firestore/quotas#limits
_LARGEST_DOCUMENT_BYTES = 1024 * 1024


def materialize(view: ViewModel, key: ViewKey, codec: DocumentCodec) -> dict[str, Any]:
    """The encoded document of each place that the view is kept at.

    :raises MaterializationError: a getter raised (it is named), the view has no place, or a
        document is too large.
    """
    fields = view.to_document()
    documents = {}
    for place in view.places():
        document = codec.encode({**fields, **view.identity(place)}, where=place)
        size_bytes = document.ByteSize()
        if size_bytes > _LARGEST_DOCUMENT_BYTES:
            raise MaterializationError(
                f"{key} takes {size_bytes:,} bytes at {place}; a Firestore document may have "
                f"{_LARGEST_DOCUMENT_BYTES:,}: show less in it, or split the view",
                key=key,
            )
        documents[place] = document
    return documents
