"""Attributes of models and views: how they are declared, stored, validated and queried.

::

    class City(DomainModel):
        city_name = attrs.bproperty()                       # untyped
        population: Attr[int] = attrs.bproperty(default=0)  # typed and validated

        @attrs.computed
        def is_large(self) -> bool:
            return self.population > 1_000_000

This floor imports ``firestore`` and ``ground``, and may import ``context`` and ``engine``. What an
attribute asks of a model is in ``attributed``; of models and views nothing else is known here.
"""

from __future__ import annotations

from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.declarations import (
    bdict,
    bproperty,
    bytes_,
    computed,
    embed,
    geo_point,
    local_time,
    object_type,
    reference,
    relation,
    through,
    timestamp,
    vector,
)
from flask_boiler.attrs.declared_attr import AttributeOptions
from flask_boiler.attrs.operators import F
from flask_boiler.attrs.relations import RelationAttr

__all__ = [
    "Attr",
    "AttributeOptions",
    "F",
    "RelationAttr",
    "bdict",
    "bproperty",
    "bytes_",
    "computed",
    "embed",
    "geo_point",
    "local_time",
    "object_type",
    "reference",
    "relation",
    "through",
    "timestamp",
    "vector",
]
