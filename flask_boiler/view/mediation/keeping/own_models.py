"""Models that one view has to itself, of documents that were read for several views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.nesting import as_read

__all__ = ["OwnModels", "of_its_own"]


def of_its_own(value: Any) -> Any:
    """What one view gets of what a slot holds for several.

    A getter may change what it gets, and reads relations when it looks at them. Neither is to be
    seen by another view, or by the next computation, whose reads are others.
    """
    if isinstance(value, DomainModel):
        return as_read([value])[0]
    return OwnModels(value) if isinstance(value, Mapping) else value


class OwnModels(Mapping[str, Any]):
    """The documents of a reference to many, of which each has a model when it is asked for."""

    def __init__(self, shared: Mapping[str, Any]) -> None:
        self._shared = shared
        self._own: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._own:
            model = self._shared[key]
            if not isinstance(model, DomainModel):
                return model
            # Whose relations are read together, are made together.
            keys = self._nesting() if model._nested else [key]
            self._own.update(zip(keys, as_read([self._shared[k] for k in keys]), strict=True))
        return self._own[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shared)

    def __len__(self) -> int:
        return len(self._shared)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _nesting(self) -> list[str]:
        models = self._shared.items()
        return [key for key, model in models if isinstance(model, DomainModel) and model._nested]
