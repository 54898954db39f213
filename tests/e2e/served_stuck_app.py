"""An application for ``flask boiler run`` with a view whose getter never returns."""

from __future__ import annotations

import sys
import threading

from flask import Flask

from flask_boiler import Boiler, QueryMediator, Store, ViewModel, attrs, reference
from tests.firestore.cities import City


class StuckStore(Store):
    city = reference(City)


class StuckView(ViewModel):
    store: StuckStore

    class Meta:
        path = "stuckView/{city.doc_id}"

    @attrs.computed
    def never(self) -> str:
        sys.stderr.write("stuck\n")
        threading.Event().wait()
        return ""


app = Flask(__name__)
boiler = Boiler(app)
boiler.add(QueryMediator(StuckView, query=City.get_query()))
with app.app_context():
    City.new(doc_id="SF", city_name="San Francisco").save()
