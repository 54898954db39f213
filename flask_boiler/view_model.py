"""The class of view models, as the specification imports it; ``flask_boiler`` has it, too."""

from flask_boiler.viewmodels.placed_view import OnDelete
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["OnDelete", "ViewModel", "store_class"]
