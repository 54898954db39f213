"""Stores and their slots, as the specification imports them; ``flask_boiler`` has them, too."""

from flask_boiler.viewmodels.each import Each, each
from flask_boiler.viewmodels.param import Param, param
from flask_boiler.viewmodels.slots import (
    ManyReference,
    Reference,
    Root,
    SingleReference,
    reference,
    root,
)
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
