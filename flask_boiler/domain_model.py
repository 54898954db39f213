"""Domain models, by the name that the specification has for them."""

from flask_boiler.models.domain_model import DomainModel

__all__ = ["DomainModel"]
