"""View models, by the name that the specification has for them."""

from flask_boiler.viewmodels.placed_view import OnDelete
from flask_boiler.viewmodels.view_model import ViewModel, store_class

__all__ = ["OnDelete", "ViewModel", "store_class"]
