"""A process that lags behind another which runs the same mediator."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from flask_boiler import CTX, Boiler, Config, QueryMediator, ViewModel, attrs, current_context
from flask_boiler.ground.ports import LocalFirestore
from tests.firestore.cities import City, CityStore
from tests.firestore.places import recorded_places

TIMEOUT_S = 30.0


class Processes:
    """The same mediator twice, as two processes would have it; computations of one can be held."""

    def __init__(self, config: Config) -> None:
        self.prompt, self.lagging = Boiler(config=config), Boiler(config=config)
        self.computing, self.go_on = threading.Event(), threading.Event()
        for boiler in (self.prompt, self.lagging):
            with boiler.context.activated():
                boiler.add(QueryMediator(self._view_cls(), query=City.get_query()))
                boiler.start()

    def settle(self) -> None:
        for boiler in (self.prompt, self.lagging):
            boiler.settle(timeout_s=TIMEOUT_S)

    def close(self) -> None:
        self.go_on.set()
        for boiler in (self.prompt, self.lagging):
            boiler.close()

    def _view_cls(self) -> type[ViewModel]:
        processes = self

        class TownView(ViewModel):
            store: CityStore

            class Meta:
                path = "townView/{city.doc_id}"

            @attrs.computed
            def name(self) -> str:
                read = str(self.store.city.city_name)  # type: ignore[union-attr]
                if current_context() is processes.lagging.context:
                    processes.computing.set()
                    assert processes.go_on.wait(TIMEOUT_S)
                return read

        return TownView


@pytest.fixture
def processes(firestore_emulator: LocalFirestore) -> Iterator[Processes]:
    project = f"test-{uuid.uuid4().hex[:20]}"
    host = firestore_emulator.host
    processes = Processes(Config(testing=True, project=project, emulator_host=host))
    with processes.prompt.context.activated():
        yield processes
    processes.close()


def test_a_deleted_view_is_not_written_once_more_by_who_lags_behind(processes: Processes) -> None:
    city = City.new(doc_id="SF", city_name="San Francisco")
    city.save()
    assert processes.computing.wait(TIMEOUT_S)
    processes.prompt.settle(timeout_s=TIMEOUT_S)
    assert CTX.db.document("townView/SF").get().exists
    city.delete()
    processes.prompt.settle(timeout_s=TIMEOUT_S)
    processes.go_on.set()
    processes.settle()
    assert not CTX.db.document("townView/SF").get().exists
    assert processes.lagging.engine.statistics.lost == 1
    assert processes.lagging.engine.publisher.documents_written == 0
    assert recorded_places() == []
    city.save()
    processes.settle()
    assert CTX.db.document("townView/SF").get().exists
    assert recorded_places() == ["townView/SF"]
    assert processes.prompt.parked == processes.lagging.parked == []
