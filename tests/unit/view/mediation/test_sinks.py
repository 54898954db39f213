"""Every sink that there is, held to what the port promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import AnyView, LiveView
from flask_boiler.engine.sink import Computed, Documents, Sink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import Target
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.mediation.live import Following
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.view.socketio.shared_view import SharedView
from flask_boiler.viewmodels.view_model import ViewModel
from tests.contracts.sink_contract import SinkContract
from tests.firestore.salons import PATTERN, SalonMutation
from tests.unit.memory import memory_context
from tests.unit.view.socketio.test_shared_view import Clients

TIMEOUT_S = 60.0


class Job(DomainModel):
    add = attrs.bproperty()

    class Meta:
        collection_name = "jobs"


class Lamp(ViewModel):
    @attrs.computed
    def is_on(self) -> bool:
        return True


#: Without a store, which a view of nothing needs none of.
NEW_LAMP: Any = Lamp


class House:
    """An engine over a database in memory, and its feed; nothing is computed by itself."""

    def __init__(self, context: ApplicationContext, datastore: MemoryDatastore) -> None:
        self.context = context
        self.datastore = datastore
        self.hub = Hub(datastore)
        self.engine: Engine = document_engine(self.hub, datastore)
        self._changed = threading.Condition()
        self.hub.subscribe(self._note)

    def _note(self, change: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def hold(self, targets: list[Target]) -> None:
        """Listen to targets, and wait until the newest cut has what was written so far."""
        now_ns = self.datastore.put("clock/now", {}).update_time_ns
        self.hub.listen([*targets, "clock/now"])

        def held() -> bool:
            cut = self.hub.cut
            return cut.read_time_ns >= now_ns and all(cut.holds(target) for target in targets)

        with self._changed:
            assert self._changed.wait_for(held, TIMEOUT_S)


class Outlet:
    """A sink, a view, and how the one is computed for the other."""

    def __init__(
        self,
        house: House,
        view: AnyView,
        *,
        targets: list[Target] | None = None,
        drive: Callable[[], object] = lambda: None,
    ) -> None:
        self._house = house
        self.view = view
        self.sink: Sink[Any] = view.sink
        self._targets = targets or []
        self._drive = drive

    @property
    def cut(self) -> Cut:
        return self._house.hub.cut

    def compute(self) -> Computed[Any]:
        self._house.hold(self._targets)
        while True:
            cut = self.cut
            try:
                computed = self.view.compute(CutReader(cut))
            except Incomplete as incomplete:
                self._house.hold([*incomplete.missing])
            else:
                computed.read_time_ns = cut.read_time_ns
                return computed

    def drive(self) -> None:
        self._drive()


@pytest.fixture
def house() -> Iterator[House]:
    context, datastore = memory_context()
    house = House(context, datastore)
    with context.activated():
        house.engine.start()
        yield house
        house.engine.stop()


class TestPublisher(SinkContract):
    """To documents."""

    @pytest.fixture
    def outlet(self, house: House) -> Outlet:
        documents = {"lamps/1": house.datastore.codec.encode({"is_on": True})}
        view = LiveView(
            ViewKey("Lamp", "rooms/1"),
            lambda reader: Documents(documents).computed(),
            house.engine.publisher,
        )
        return Outlet(house, view)

    def test_a_place_is_owned_and_recalled(self, outlet: Outlet, house: House) -> None:
        self.test_what_is_submitted_ends(outlet)
        key = outlet.view.key
        assert outlet.sink.owned(key) == {"lamps/1"}
        stored = house.datastore.documents["lamps/1"]
        assert outlet.sink.newest_ns(key) >= stored.update_time_ns
        outlet.sink.forget(key)
        assert outlet.sink.recall("Lamp") == {key}
        assert outlet.sink.owned(key) == {"lamps/1"}


class TestWorkerOfPatches(SinkContract):
    """To what patches change."""

    @pytest.fixture
    def outlet(self, house: House) -> Iterator[Outlet]:
        house.datastore.put("salons/s1", title="Blue", isOpen=False, guests=0, members=["ada"])
        path = PATTERN.replace("{uid}", "ada") + "/p1"
        house.datastore.put(path, target_salon_id="s1", addGuests=2)
        mediator = DocumentMediator(patches=PATTERN, mutation_cls=SalonMutation)
        worker = mediator._new_worker(house.context, house.engine)
        worker.start()
        yield Outlet(house, worker.live_view(mediator._queue_key))
        worker.stop()
        assert house.datastore.fields("salons/s1")["guests"] in (0, 2)


class TestWorker(SinkContract):
    """To what tasks have done."""

    @pytest.fixture
    def outlet(self, house: House) -> Iterator[Outlet]:
        done: list[Job] = []
        Job.new(doc_id="j1", add=1).save()
        mediator = QueryTaskMediator(
            query=Job.where(), on_task=lambda task, transaction: done.append(task), name="jobs"
        )
        worker = mediator._new_worker(house.context, house.engine)
        worker.start()
        yield Outlet(house, worker.live_view(mediator._queue_key))
        worker.stop()
        assert len(done) <= 1


class TestSharedView(SinkContract):
    """To clients on sockets."""

    @pytest.fixture
    def outlet(self, house: House) -> Outlet:
        shared = SharedView(house.context, NEW_LAMP, WsLimits(), Clients(), lambda: None)
        view = LiveView(ViewKey("Lamp (shared)", "1"), shared.compute, shared)
        return Outlet(house, view, drive=lambda: shared.deliver(100.0))


class TestFollowing(SinkContract):
    """To who follows it in the process."""

    @pytest.fixture
    def outlet(self, house: House) -> Iterator[Outlet]:
        notifiers = DaemonPool(1, name="notify")
        following = Following(
            house.context, NEW_LAMP, None, release=lambda: None, notifiers=notifiers
        )
        yield Outlet(house, LiveView(ViewKey("Lamp (followed)", "1"), following.compute, following))
        notifiers.shutdown()
