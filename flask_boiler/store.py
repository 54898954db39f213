"""Stores, by the name that the specification has for them."""

from flask_boiler.viewmodels.store import (
    ManyReference,
    Reference,
    SingleReference,
    Store,
    reference,
)

__all__ = ["ManyReference", "Reference", "SingleReference", "Store", "reference"]
