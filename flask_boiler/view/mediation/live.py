"""Live views of a context: its feed, its engine, and views that are followed in process."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.parking.parking import Parking
from flask_boiler.engine.parking.recorder import Recorder
from flask_boiler.engine.sink import Computed, PublishOutcome, SubmittedView, WithoutPlaces
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.listen.backoff import BackoffPolicy
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.firestore.listen.stream import StreamPolicy
from flask_boiler.firestore.native import same_value
from flask_boiler.ground.callbacks import as_exception, require_result
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import current_reader, reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.view_model import (
    ViewModel,
    has_own_new,
    notify_error,
    overrides_notify,
)

__all__ = ["Following", "LiveViews", "live_views"]

V = TypeVar("V", bound=ViewModel)

#: A server on this machine that owes an answer for so long has fallen silent for good. One that was
#: started again is found soon: nobody else asks for it.
_LOCAL_POLICY = StreamPolicy(
    backoff=BackoffPolicy(maximum_s=2.0), owing_after_s=1.5, answer_within_s=3.0
)

#: Threads that call ``f_notify``; a slow one delays the notices of other views, nothing else.
_NOTIFIERS = 2


class LiveViews:
    """The engine of one context, started when it is first asked for."""

    def __init__(self, context: ApplicationContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._recorder: Recorder | None = None
        self._numbers = itertools.count(1)
        self._notifiers = DaemonPool(_NOTIFIERS, name="flask-boiler-notify")

    @property
    def engine(self) -> Engine:
        """The running engine."""
        with self._lock:
            if self._engine is None:
                self._engine, self._recorder = _start_engine(self._context)
            return self._engine

    @property
    def recorder(self) -> Recorder:
        """The recorder of the parked views of mediators, which runs with the engine."""
        engine = self.engine
        with self._lock:
            if self._recorder is None or self._engine is not engine:
                raise ConfigurationError("the mediators are being stopped: start them again")
            return self._recorder

    @property
    def running(self) -> bool:
        """Whether there is an engine."""
        return self._engine is not None

    def stop(self) -> None:
        """Finish the work that has begun, and end every thread; the next use starts anew."""
        with self._lock:
            engine, self._engine = self._engine, None
            recorder, self._recorder = self._recorder, None
        if engine is not None:
            engine.stop()
        if recorder is not None:
            recorder.stop()
        self._notifiers.shutdown()
        self._notifiers = DaemonPool(_NOTIFIERS, name="flask-boiler-notify")

    def open(
        self,
        view_cls: type[V],
        arguments: Mapping[str, Any],
        *,
        f_notify: Callable[[V], None] | None,
        timeout_s: float,
    ) -> V:
        """A view that follows its sources until it is closed; see :meth:`ViewModel.get`.

        :raises TimeoutError: there was no first value in time.
        """
        engine = self.engine
        key = ViewKey(f"{view_cls.__name__} (followed)", str(next(self._numbers)))
        # A `new` of the class's own may need the model itself.
        given = arguments if has_own_new(view_cls) else _by_path(arguments)
        following = Following(
            self._context,
            lambda: view_cls.new(**_as_they_are_now(given)),
            f_notify,
            release=lambda: engine.discard(key),
            notifiers=self._notifiers,
        )
        engine.add(LiveView(key, following.compute, following))
        try:
            return following.first.result(timeout_s)
        except BaseException as error:
            engine.discard(key)
            if isinstance(error, TimeoutError) and not following.first.done():
                raise TimeoutError(
                    f"{view_cls.__name__} had no first value within {timeout_s} s: what it reads "
                    "has not arrived, or its getters take long; give it more time with timeout_s="
                ) from None
            raise


def _by_path(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the paths of models in their place, so that these are read again."""
    return {
        name: value.doc_path if isinstance(value, DomainModel) else value
        for name, value in arguments.items()
    }


def _as_they_are_now(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the newest snapshots in place of those that were given once."""
    reader = current_reader()
    given = {name: _path_of_snapshot(value) for name, value in arguments.items()}
    paths = [path for path in given.values() if path is not None]
    newest = reader.documents(paths) if reader is not None and paths else {}
    return {name: newest.get(given[name] or "", value) for name, value in arguments.items()}


def _path_of_snapshot(value: Any) -> str | None:
    if isinstance(value, Snapshot):
        return value.path
    if hasattr(value, "exists") and hasattr(value, "reference"):
        return str(value.reference.path)
    return None


class _Built(NamedTuple, Generic[V]):
    """The payload of a followed view.

    :param value: what its getters gave: they run once, and while their reads are recorded.
    """

    view: V
    value: dict[str, Any]


class Following(WithoutPlaces, Generic[V]):
    """A followed view: its computation, and the sink that hands it to its follower."""

    def __init__(
        self,
        context: ApplicationContext,
        build: Callable[[], V],
        f_notify: Callable[[V], None] | None,
        *,
        release: Callable[[], None],
        notifiers: Executor,
    ) -> None:
        #: The view with its first value, or what went wrong with that.
        self.first: Future[V] = Future()
        self._context = context
        self._build = build
        self._f_notify = f_notify
        self._release = release
        self._notifiers = notifiers
        self._value: dict[str, Any] = {}

    def compute(self, reader: CutReader) -> Computed[_Built[V]]:
        """Build the view and read all its attributes."""
        try:
            with self._context.activated(), reading_through(reader):
                view = self._build()
                built = _Built(view, view.to_document())
        except Incomplete:
            raise
        except BaseException as error:
            if not self.first.done():
                # It is raised at who waits for the view, on a thread that is not ours.
                self.first.set_exception(as_exception(error, "computing it"))
            raise
        return Computed(built)

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[_Built[V]],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Hand the first value to who waits for it, and each other one to the follower."""
        if computed.payload is None:
            done(PublishOutcome())
            return
        newest, value = computed.payload
        if not self.first.done():
            self._value = value
            newest.follow(self._release, self._f_notify)
            self.first.set_result(newest)
            done(PublishOutcome())
        elif same_value(value, self._value):
            done(PublishOutcome())
        else:
            self._notifiers.submit(self._notify, computed.payload, done)

    def _notify(self, newest: _Built[V], done: Callable[[PublishOutcome], None]) -> None:
        followed = self.first.result()
        try:
            followed.become(newest.view)
            with self._context.activated():
                require_result(followed.notify(), "f_notify")
        except BaseException as error:
            own = overrides_notify(type(followed))
            told = notify_error(followed, error) if own else as_exception(error, "f_notify")
            done(PublishOutcome(error=told))
        else:
            # Not before: whoever was not told is told when it is tried again.
            self._value = newest.value
            done(PublishOutcome(written=True))


def _start_engine(context: ApplicationContext) -> tuple[Engine, Recorder]:
    datastore = context.datastore
    local = datastore.is_emulator
    # Google's emulator can miss a commit that races the adding of a target, or fall silent. The
    # embedded Firestore does not, and says so.
    hub = Hub(datastore, verify_targets=local, policy=_LOCAL_POLICY if local else None)
    parking = Parking()
    workers = context.config.compute_threads
    engine = document_engine(hub, datastore, workers=workers, parking=parking)
    recorder = parking.listener = Recorder(engine, datastore)
    engine.start()
    return engine, recorder


_running: WeakKeyDictionary[ApplicationContext, LiveViews] = WeakKeyDictionary()
_running_lock = threading.Lock()


def live_views(context: ApplicationContext) -> LiveViews:
    """The live views of a context: one engine for each context and process."""
    with _running_lock:
        if context not in _running:
            _running[context] = LiveViews(context)
        return _running[context]


# A forked child has neither the threads nor the stream of its parent: it starts its own.
os.register_at_fork(after_in_child=_running.clear)
