"""The domain models: travellers, and each piece of their luggage."""

from __future__ import annotations

from marshmallow import validate

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Luggage", "Traveller"]


class Traveller(DomainModel):
    """Somebody who travels."""

    full_name: Attr[str]


class Luggage(DomainModel):
    """A piece of luggage."""

    owner = attrs.relation(Traveller)
    size: Attr[str] = attrs.bproperty(validate=validate.OneOf(["small", "medium", "large"]))
    weight_in_lbs: Attr[int] = attrs.bproperty(validate=validate.Range(min=0))
    colour: Attr[str | None]
