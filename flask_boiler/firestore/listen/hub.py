"""The hub: it shares one stream among all listeners, and delivers its cuts.

::

    listen, release ──► counted targets ──► watch ──requests──► stream ──► Firestore
                                             ▲ │                  │
                                             │ └─── raised ───┐   │
                                             └──── messages ──┼───┘
                                                              ▼
    subscriptions ◄── changes, each on its own thread ── the log of cuts
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flask_boiler.errors import ListenError, TargetRejectedError
from flask_boiler.firestore.listen.backoff import Backoff
from flask_boiler.firestore.listen.change_delivery import ChangeDelivery
from flask_boiler.firestore.listen.cut import CutLog, ListenCut
from flask_boiler.firestore.listen.joining import Joining
from flask_boiler.firestore.listen.stream import Connection, Outbox, Stream, StreamPolicy
from flask_boiler.firestore.listen.verifier import Verifier
from flask_boiler.firestore.listen.watch import Watch
from flask_boiler.firestore.listen.watch_events import (
    Answered,
    Event,
    HeldBack,
    Mismatched,
    Raised,
    Refused,
)
from flask_boiler.ground.callbacks import is_failure
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.timing import Agenda, Timekeeper
from flask_boiler.ground.values import Target

__all__ = ["Hub", "HubStatistics"]

_logger = logging.getLogger(__name__)

_JOINING = ("joining",)


@dataclass(slots=True)
class HubStatistics:
    """The numbers of what the hub has done and holds.

    :param streams_opened: streams so far; more than one means reconnects or idle closes.
    :param messages: responses received.
    :param cuts: consistent states raised.
    :param held_back: markers that raised nothing, because a target had not caught up again.
    :param targets: targets that somebody listens to.
    :param resets: times the server made a target start over.
    :param mismatches: times a target was listened to anew because what was known was wrong.
    :param rejected: targets that the server refuses at present.
    :param callback_errors: times a receiver raised.
    """

    streams_opened: int = 0
    messages: int = 0
    cuts: int = 0
    held_back: int = 0
    targets: int = 0
    resets: int = 0
    mismatches: int = 0
    rejected: int = 0
    callback_errors: int = 0


class Hub:
    """A :class:`~flask_boiler.ground.ports.Feed` of a Firestore database.

    One stream and two threads, plus one thread for each subscription, whatever is listened to.
    What the server refuses is reported once and tried again: when somebody else listens to
    it, when the stream is opened anew, and every ``retry_after_s``.

    New targets join in turns: while the server keeps the marker for some, others wait for it, at
    most for ``policy.join_within_s``, so that those that come and go hold up nobody's cuts.

    :param verify_targets: read once what is stored after a target became current, and listen
        again if it was missed; Google's emulator needs it, production does not. A server that
        says that it misses nothing is believed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        verify_targets: bool = False,
        policy: StreamPolicy | None = None,
        retry_after_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        stream_factory: Callable[..., Stream] = Stream,
    ) -> None:
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._rng = rng
        self._policy = policy or StreamPolicy()
        # Guards everything below: the stream's thread and those that listen take turns. It is
        # never held while user code runs or while anything waits for the network.
        self._lock = threading.Lock()
        self._counts: dict[Target, int] = {}
        self._watch = Watch(connection.database, connection.decoder)
        self._log = CutLog()
        self._agenda = Agenda()
        self._joining = Joining(self._unanswered, self._policy.join_within_s)
        self._deliveries: list[ChangeDelivery] = []
        # Closed, but their threads may not have ended.
        self._leaving: list[ChangeDelivery] = []
        self._outbox: Outbox | None = None
        self._rejected: dict[Target, str] = {}
        self._verifier = Verifier(connection, self, self._lock, clock) if verify_targets else None
        #: Whether this stream's server has said that it misses nothing.
        self._is_faultless = False
        # How many refreshes want an answer, and how many of them the probe under way is for.
        self._refreshes = 0
        self._probing_for: int | None = None
        self._behind_since: float | None = None
        self._statistics = HubStatistics()
        self._stream = stream_factory(connection, self, self._policy, clock=clock, rng=rng)
        self._timekeeper = Timekeeper(self.tick, clock, on_failure=self.broken)
        #: Told what has ended a thread, if something does.
        self.on_fault: Callable[[BaseException], object] = lambda error: None
        self._process_id: int | None = None
        self._stopped = False

    # What a Feed does.

    @property
    def cut(self) -> ListenCut:
        """The newest cut."""
        return self._log.cut

    def listen(self, targets: Iterable[Target]) -> None:
        """Hold these targets in coming cuts; each call needs its own ``release``.

        A target that is held already is not announced again.
        """
        self._check_process()
        with self._lock:
            requests: list[Any] = []
            new: list[Target] = []
            for target in targets:
                count = self._counts.get(target, 0)
                self._counts[target] = count + 1
                if not count:
                    new.append(target)
                elif target in self._rejected:
                    # Somebody who has not heard of the refusal yet.
                    self._rejected[target] = ""
                    requests.extend(self._watch.relisten(target))
            self._send(requests)
            self._join(new)
            self._update_demand()

    def release(self, targets: Iterable[Target]) -> None:
        """Undo one ``listen`` for each target; after the last one the server forgets the target.

        :raises ValueError: a target is released more often than it was listened to.
        """
        self._check_process()
        with self._lock:
            released = [target for target in targets if self._count_down(target)]
            requests = [self._watch.release(target) for target in released]
            self._log.drop(released)
            if self._verifier is not None:
                self._verifier.forget(released)
            for target in released:
                self._rejected.pop(target, None)
                self._agenda.cancel(target)
                self._joining.leave(target)
            self._send([request for request in requests if request is not None])
            self._update_demand()

    @property
    def doubtful(self) -> bool:
        """Whether newly held targets are still being compared with what is stored."""
        with self._lock:
            return self._verifier is not None and self._verifier.doubtful

    def refresh(self) -> None:
        """Have the server send a newer read time, even if nothing changes."""
        self._check_process()
        with self._lock:
            self._refreshes += 1
            self._send_probe()
            self._update_demand()

    def subscribe(self, on_change: Callable[[CutChange], None]) -> ChangeDelivery:
        """Call ``on_change`` for every new cut, one at a time, on the subscription's own thread.

        A receiver that is slow gets several cuts as one change, with the newest cut. What it
        raises is logged and counted against it alone.
        """
        self._check_process()
        delivery = ChangeDelivery(
            on_change,
            on_close=self._unsubscribe,
            on_error=self._count_error,
            on_failure=self.broken,
        )
        with self._lock:
            self._deliveries.append(delivery)
            if self._process_id is not None and not self._stopped:
                delivery.start()
        return delivery

    def start(self) -> None:
        """Begin to listen, in this process.

        :raises ListenError: it was started before.
        """
        with self._lock:
            if self._process_id is not None:
                raise ListenError(
                    "this hub was started before, and cannot be started again: make a new one"
                )
            self._process_id = os.getpid()
            for delivery in self._deliveries:
                delivery.start()
        self._timekeeper.start()
        self._stream.start()

    def stop(self) -> None:
        """End the stream and all deliveries, and return when their threads have ended.

        From inside a callback, it returns when all threads but the callback's own are gone.
        """
        if self._process_id != os.getpid():
            return
        with self._lock:
            self._stopped = True
            deliveries = self._deliveries + self._leaving
            self._deliveries, self._leaving = [], []
        self._stream.stop()
        self._timekeeper.stop()
        for delivery in deliveries:
            delivery.end()
        for delivery in deliveries:
            delivery.join()

    def statistics(self) -> HubStatistics:
        """The numbers of what the hub has done and holds."""
        with self._lock:
            return replace(
                self._statistics,
                held_back=self._watch.held_back,
                targets=len(self._counts),
                resets=self._watch.resets,
                rejected=len(self._rejected),
            )

    def _check_process(self) -> None:
        if self._process_id not in (None, os.getpid()):
            raise ListenError(
                f"this hub was started in process {self._process_id}, and does not work in process "
                f"{os.getpid()}, which was forked from that: make and start a hub after the fork"
            )

    def _count_down(self, target: Target) -> bool:
        """Count one listener less; true if it was the last."""
        count = self._counts.get(target, 0)
        if not count:
            raise ValueError(f"{target} was released more often than it was listened to")
        if count > 1:
            self._counts[target] = count - 1
            return False
        del self._counts[target]
        return True

    def _unsubscribe(self, delivery: ChangeDelivery) -> None:
        with self._lock:
            if delivery in self._deliveries:
                self._deliveries.remove(delivery)
                # Closing does not wait for the thread; stopping does.
                self._leaving = [d for d in self._leaving if d.alive] + [delivery]

    def _count_error(self) -> None:
        with self._lock:
            self._statistics.callback_errors += 1

    def _update_demand(self) -> None:
        self._stream.demand(bool(self._counts) or bool(self._refreshes))
        self._timekeeper.wake_by(self._clock())

    def _send(self, requests: Sequence[Any]) -> None:
        # Without a stream nothing needs saying: the next one opens with all targets.
        if self._outbox is not None:
            self._outbox.put(requests)

    def _join(self, targets: Sequence[Target]) -> None:
        """Ask for new targets, now or a little later."""
        if self._outbox is None:
            for target in targets:
                self._watch.listen(target)
            return
        now = self._clock()
        self._ask_for(self._joining.ask(targets, now))
        if self._joining.due_at != math.inf:
            self.do_later(_JOINING, self._joining.due_at - now, self._join_at_last)

    def _unanswered(self) -> int:
        return self._watch.unanswered

    def _ask_for(self, targets: Sequence[Target]) -> None:
        self._send([self._watch.listen(target) for target in targets])

    def _join_at_last(self) -> None:
        with self._lock:
            now = self._clock()
            self._ask_for(self._joining.due(now))
            if self._joining.due_at != math.inf:
                self.do_later(_JOINING, self._joining.due_at - now, self._join_at_last)

    def _send_probe(self) -> None:
        if self._outbox is not None and self._probing_for is None:
            self._probing_for = self._refreshes
            self._send([self._watch.probe()])

    # What the stream calls: its listener.

    def opening(self, outbox: Outbox) -> None:
        """Begin a new stream: send what is listened to."""
        with self._lock:
            self._statistics.streams_opened += 1
            self._outbox = outbox
            self._is_faultless = False
            self._send(self._watch.restart())
            self._ask_for(self._joining.restart())
            self._probing_for = None
            self._behind_since = None
            if self._refreshes:
                self._send_probe()

    def opened(self) -> None:
        """Have the stream checked from now on."""
        self._timekeeper.wake_by(self._clock())

    def greeted(self, *, faultless: bool) -> None:
        """Note the server's first answer, and whether it promises to send every change."""
        with self._lock:
            self._is_faultless = faultless

    def received(self, response: Any) -> None:
        """Take in a message of the server."""
        with self._lock:
            self._statistics.messages += 1
            for event in self._watch.receive(response):
                self._handle(event)

    def closed(self) -> None:
        """Send nothing until a new stream begins."""
        with self._lock:
            self._outbox = None
            self._watch.close()
            for target in self._joining.restart():
                self._watch.listen(target)

    def refused(self, cause: str) -> None:
        """Report all targets as rejected, because nothing can be listened to."""
        with self._lock:
            self._reject({target: cause for target in self._watch.forget()})

    def probe(self) -> None:
        """Send something that the server must answer."""
        with self._lock:
            self._send_probe()

    def awaits_answer(self) -> bool:
        """Whether some target has not caught up."""
        with self._lock:
            return self._watch.is_behind()

    # What the watch makes of it.

    def _handle(self, event: Event) -> None:
        match event:
            case Raised():
                self._raise(event)
            case Answered(request):
                self._send([request])
                self._probe_answered()
            case Refused(target, cause):
                self.do_later(target, self._retry_after_s, partial(self._relisten, target))
                self._reject({target: cause})
            case Mismatched():
                self._mend(event)
            case HeldBack():
                self._lose_patience()
                self._ask_for(self._joining.marked(self._clock()))

    def _raise(self, raised: Raised) -> None:
        self._statistics.cuts += 1
        self._behind_since = None
        cut = self._log.advance(raised.read_time_ns, raised.documents, raised.queries)
        if raised.held:
            self._accept(raised.held)
        if raised.caught_up and self._verifier is not None and not self._is_faultless:
            self._verifier.note_caught_up(raised.caught_up)
        for delivery in self._deliveries:
            delivery.offer(cut, raised.documents, raised.queries, held=raised.held)
        self._ask_for(self._joining.marked(self._clock()))

    def _accept(self, held: Sequence[Target]) -> None:
        for target in held:
            self._rejected.pop(target, None)
            self._agenda.cancel(target)

    def _lose_patience(self) -> None:
        """Stop holding the targets that keep all others waiting for too long."""
        now = self._clock()
        if self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since >= self._policy.catch_up_within_s:
            cause = f"it did not catch up within {self._policy.catch_up_within_s:.0f} s"
            self._reject(dict.fromkeys(self._watch.leave_behind(), cause))

    def _probe_answered(self) -> None:
        # A refresh that was asked for after the probe was sent needs one of its own.
        self._refreshes -= self._probing_for or 0
        self._probing_for = None
        if self._refreshes:
            self._send_probe()
        self._update_demand()

    def _reject(self, causes: dict[Target, str]) -> None:
        cut = self._log.drop(causes)
        if self._verifier is not None:
            self._verifier.forget(causes.keys())
        news = {
            target: TargetRejectedError(target, cause)
            for target, cause in causes.items()
            if self._rejected.get(target) != cause
        }
        self._rejected.update(causes)
        if news:
            for delivery in self._deliveries:
                delivery.offer(cut, rejected=news)

    def _mend(self, event: Mismatched) -> None:
        self._statistics.mismatches += 1
        if event.removal is not None:
            self._send([event.removal])
        if event.times == 1:
            self._send(self._watch.relisten(event.target))
            return
        # It did not help the last time: do not let the server and us go round in circles.
        backoff = Backoff(self._policy.backoff, self._rng)
        delay_s = max(backoff.next_delay_s() for _ in range(event.times - 1))
        self.do_later(event.target, delay_s, partial(self._relisten, event.target))

    @property
    def refused_s(self) -> float:
        """The time in seconds since the server refuses all listening; 0 while it does not."""
        return self._stream.refused_s

    def broken(self, error: BaseException) -> None:
        """Note that a thread has ended by a mistake in the framework."""
        self.on_fault(error)

    # What is done later, on the timekeeper's thread.

    def tick(self) -> float:
        """Do what is due now.

        :returns: when there will be something to do again.
        """
        with self._lock:
            due = self._agenda.take_due(self._clock())
        for task in due:
            try:
                task()
            except BaseException as error:
                if not is_failure(error):
                    raise
                _logger.exception("a task of the Listen client failed; the others go on")
        checked_at = self._stream.check(self._clock())
        with self._lock:
            return min(checked_at, self._agenda.next_at())

    def do_later(self, name: object, after_s: float, task: Callable[[], None]) -> None:
        """Do this once at a later time, in place of what was planned under the same name."""
        at = self._clock() + after_s
        self._agenda.schedule(name, at, task)
        self._timekeeper.wake_by(at)

    def _relisten(self, target: Target) -> None:
        with self._lock:
            self._send(self._watch.relisten(target))

    # What the verifier asks, with the lock held.

    def is_listened_to(self, target: Target) -> bool:
        """Whether anybody listens to the target."""
        return target in self._counts

    def known_update_times(self, target: Target) -> dict[str, int] | None:
        """The update times of a target's documents; ``None`` if it has not caught up."""
        return self._watch.update_times(target)

    def listen_again(self, target: Target) -> None:
        """Listen to the target again, because what is known about it is wrong."""
        self._statistics.mismatches += 1
        self._send(self._watch.relisten(target))
