"""An application for ``flask boiler run``: configured by the environment alone."""

from __future__ import annotations

from flask import Flask

from flask_boiler import Boiler
from tests.firestore.cities import city_views

app = Flask(__name__)
boiler = Boiler(app)
boiler.add(city_views())
