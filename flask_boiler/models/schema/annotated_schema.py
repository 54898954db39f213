"""A marshmallow schema that says what loading and dumping give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import marshmallow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marshmallow.types import StrSequenceOrSet, UnknownOption

__all__ = ["AnnotatedSchema"]


class AnnotatedSchema(marshmallow.Schema):
    """The base of the schemas of models.

    One object is a dict; with ``many`` there is a list of them. Marshmallow declares neither, so
    pyright infers that each result may be a dict or a list. Only the types are declared here.
    """

    if TYPE_CHECKING:

        def load(
            self,
            data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
            *,
            many: bool | None = None,
            partial: bool | StrSequenceOrSet | None = None,
            unknown: UnknownOption | None = None,
        ) -> Any:
            """The values by attribute name."""

        def dump(self, obj: Any, *, many: bool | None = None) -> Any:
            """The JSON of an object, or of several."""
