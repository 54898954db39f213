"""The class of domain models, as the specification imports it; ``flask_boiler`` has it, too."""

from flask_boiler.models.domain_model import DomainModel

__all__ = ["DomainModel"]
