"""A small world for patches: salons that their members open, close and name."""

# mypy: disable-error-code="no-redef"

from __future__ import annotations

from typing import Any

from flask_boiler import (
    Attr,
    DocumentMediator,
    DomainModel,
    Mutation,
    Patch,
    Patches,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.errors import RefusedError

PATTERN = "users/{uid}/SalonView_PATCH"


class Salon(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    is_open: Attr[bool] = attrs.bproperty(default=False)
    guests: Attr[int] = attrs.bproperty(default=0)
    members: Attr[list[str]] = attrs.bproperty(default_factory=list)
    #: What was done, in order.
    log: Attr[list[str]] = attrs.bproperty(default_factory=list)

    class Meta:
        collection_name = "salons"


class SalonStore(Store):
    salon = reference(Salon)


class SalonView(ViewModel):
    store: SalonStore

    title: Attr[str] = attrs.bproperty()
    is_open: Attr[bool] = attrs.bproperty()
    add_guests: Attr[int] = attrs.bproperty(export_enabled=False)

    class Meta:
        path = "salonView/{salon.doc_id}"

    @property
    def salon(self) -> Salon:
        salon = self.store.salon
        assert salon is not None
        return salon

    @title.getter
    def title(self) -> str:
        return self.salon.title

    @title.setter
    def title(self, value: str) -> None:
        if value == "explode":
            raise ZeroDivisionError("a secret")
        if value == "exit":
            raise SystemExit("a secret")
        self.salon.title = value
        self.salon.log = [*self.salon.log, value]

    @is_open.getter
    def is_open(self) -> bool:
        return self.salon.is_open

    @is_open.setter
    def is_open(self, value: bool) -> None:
        if value == self.salon.is_open:
            raise RefusedError(f"The salon is {'open' if value else 'closed'} already.")
        self.salon.is_open = value

    @add_guests.setter
    def add_guests(self, value: int) -> None:
        self.salon.guests += value

    @attrs.computed
    def guests(self) -> int:
        return self.salon.guests


class SalonMutation(Mutation[SalonView]):
    """Changes of salons."""


def is_member(patch: Patch, view: SalonView) -> bool:
    return patch.placeholders["uid"] in view.salon.members


def salon_patches(patches: str | Patches = PATTERN, **options: Any) -> DocumentMediator:
    return DocumentMediator(
        mutation_cls=SalonMutation, patches=patches, authorize=is_member, **options
    )
