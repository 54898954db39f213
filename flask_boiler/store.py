"""Stores and references, as the specification imports them; ``flask_boiler`` has them, too."""

from flask_boiler.viewmodels.store import (
    ManyReference,
    Reference,
    SingleReference,
    Store,
    reference,
)

__all__ = ["ManyReference", "Reference", "SingleReference", "Store", "reference"]
