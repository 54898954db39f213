"""What the framework's ledger says of places."""

from __future__ import annotations

from flask_boiler import CTX


def recorded_places() -> list[str]:
    """The places that are some view's."""
    records = [s.to_dict() or {} for s in CTX.db.collection("_boiler_places").stream()]
    return [record["place"] for record in records if "vacated" not in record]
