"""Stores and their slots, as the specification imports them; ``flask_boiler`` has them, too."""

from flask_boiler.viewmodels.slots.each import Each, each
from flask_boiler.viewmodels.slots.param import Param, param
from flask_boiler.viewmodels.slots.reference import (
    ManyReference,
    Reference,
    SingleReference,
    reference,
)
from flask_boiler.viewmodels.slots.root import Root, root
from flask_boiler.viewmodels.store import Store

__all__ = [
    "Each",
    "ManyReference",
    "Param",
    "Reference",
    "Root",
    "SingleReference",
    "Store",
    "each",
    "param",
    "reference",
    "root",
]
