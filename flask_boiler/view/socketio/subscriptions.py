"""The subscriptions of a namespace's clients, in one process: who holds which live view."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import ValidationError
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.socketio.admission import Admission
from flask_boiler.view.socketio.options import SubscriptionOptions, WsLimits
from flask_boiler.view.socketio.rooms import Message, Room
from flask_boiler.view.socketio.shared_view import Post
from flask_boiler.view.socketio.sharing import Share, Shares
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Client", "Subscriptions"]

#: How far this process may be behind another that a client was connected to before.
_CATCH_UP_S = 2.0


@dataclass(slots=True)
class Client:
    """One connection to the namespace: what it is subscribed to, by subscription id."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Held while the client enters or leaves a view at its own wish: each of its events has a
    #: thread of its own, and what one of them acknowledges must not be undone by half by another.
    #: Nothing is sent by who holds it, for a view that is about to send may be waited for.
    turn: threading.Lock = field(default_factory=threading.Lock)
    subscriptions: dict[str, tuple[Share, Room]] = field(default_factory=dict)
    #: Subscriptions that are on their way.
    coming: int = 0
    gone: bool = False
    #: It was sent away, as it does not read what it asks for.
    expelled: bool = False
    #: It was let in. Not every Socket.IO server keeps back what a client sends before that.
    admitted: bool = False


class Subscriptions:
    """The subscriptions of one mediator's clients, and the live views that they share.

    :param name: the name of the mediator.
    :param post: how messages reach its clients.
    """

    def __init__(self, name: str, limits: WsLimits, post: Post) -> None:
        self._name = name
        self._limits = limits
        self._post = post
        self._admission = Admission(limits.admissions_per_s)
        self._stopping = threading.Event()
        # Guards the clients and the shares; a client's own lock may be taken after it is let go.
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        # With the process, as a forked child has no threads of its parent's.
        self._shares: tuple[int, Shares] | None = None

    @property
    def stopping(self) -> bool:
        """Whether no client is let in, as all is about to end."""
        return self._stopping.is_set()

    @property
    def clients(self) -> int:
        """The number of clients that are connected to this process."""
        return len(self._clients)

    @property
    def views(self) -> int:
        """The number of views that this process keeps live for them."""
        shares = self._shares
        return len(shares[1]) if shares is not None and shares[0] == os.getpid() else 0

    def start(self) -> None:
        """Let clients in again; before the first stop they are let in anyway."""
        self._stopping.clear()

    def stop(self, send_away: Callable[[str], None]) -> None:
        """Release every view, and send every client away."""
        self._stopping.set()
        with self._lock:
            clients = list(self._clients)
            shares, self._shares = self._shares, None
        for sid in clients:
            send_away(sid)
        if shares is not None and shares[0] == os.getpid():
            shares[1].stop()

    def come(self, sid: str) -> Client:
        """The client that connects, which has no subscriptions yet."""
        with self._lock:
            return self._clients.setdefault(sid, Client())

    def client(self, sid: str) -> Client | None:
        """A client that is connected; ``None`` if it is not."""
        return self._clients.get(sid)

    def forget(self, sid: str) -> None:
        """Release what a client was subscribed to, which is gone."""
        with self._lock:
            client = self._clients.pop(sid, None)
        if client is None:
            return
        with client.lock:
            client.gone = True
            held, client.subscriptions = client.subscriptions, {}
        for share, room in held.values():
            self._release(sid, share, room)

    def subscribe(
        self,
        sid: str,
        context: ApplicationContext,
        arguments: str,
        scope: Hashable,
        build: Callable[[], ViewModel],
        options: SubscriptionOptions,
        answering: threading.Thread | None,
    ) -> Message:
        """The value of a view, to which the client is subscribed from here on.

        :param arguments: a text that is the same for the same arguments.
        :param build: makes the view, if nobody holds it yet.
        :param answering: the thread that acknowledges the subscription, which nothing overtakes.
        :raises Refusal: the client has too many, or has gone; or it takes too long.
        :raises BoilerError: the view has no value.
        """
        client = self._reserve(sid)
        try:
            self._admit()
            shares = self._current_shares()
            share = shares.acquire(context, arguments, scope, build)
            try:
                self._await_value(share, options)
                return self._join(sid, client, share, options, answering)
            except BaseException:
                shares.release(share, linger=False)
                raise
        finally:
            with client.lock:
                client.coming -= 1

    def unsubscribe(self, sid: str, subscription_id: object) -> None:
        """End a subscription.

        :raises Refusal: the client has no such subscription.
        """
        client = self._require_client(sid)
        with client.turn:
            with client.lock:
                found = (
                    client.subscriptions.pop(subscription_id, None)
                    if isinstance(subscription_id, str)
                    else None
                )
            if found is not None:
                self._release(sid, *found)
        if found is None:
            raise Refusal(404, "This client has no such subscription.")

    def _require_client(self, sid: str) -> Client:
        client = self._clients.get(sid)
        if client is None:
            raise Refusal(410, "The client is gone.")
        return client

    def _reserve(self, sid: str) -> Client:
        client = self._require_client(sid)
        with client.lock:
            if len(client.subscriptions) + client.coming >= self._limits.max_subscriptions:
                raise Refusal(
                    429,
                    f"A client may have at most {self._limits.max_subscriptions} subscriptions: "
                    "end one first.",
                )
            client.coming += 1
        return client

    def _admit(self) -> None:
        wait_s = self._admission.wait_s(at_most_s=self._limits.timeout_s)
        if wait_s is None:
            raise Refusal(
                503, "Too many clients subscribe at the same time: try again a little later."
            )
        if self._stopping.wait(wait_s):
            raise Refusal(503, "The server is stopping: connect again.")

    def _await_value(self, share: Share, options: SubscriptionOptions) -> None:
        try:
            share.view.await_first(self._limits.timeout_s)
        except TimeoutError:
            raise Refusal(
                503, f"The view had no value within {self._limits.timeout_s:g} s: try again."
            ) from None
        if options.version is not None and not share.catch_up(
            options.version, min(self._limits.timeout_s, _CATCH_UP_S)
        ):
            raise ValidationError(
                {"options.version": ["It is later than everything that this server knows."]}
            )

    def _join(
        self,
        sid: str,
        client: Client,
        share: Share,
        options: SubscriptionOptions,
        answering: threading.Thread | None,
    ) -> Message:
        with client.turn:
            room, message = share.view.join(sid, options, answering)
            with client.lock:
                gone = client.gone
                again = client.subscriptions.get(room.id)
                if not gone:
                    client.subscriptions[room.id] = share, room
        if gone:
            share.view.leave(sid, room)
            raise Refusal(410, "The client is gone.")
        if again is not None:
            # It was subscribed already, and holds the share since then.
            self._current_shares().release(share)
        return message

    def _release(self, sid: str, share: Share, room: Room) -> None:
        share.view.leave(sid, room)
        shares = self._shares
        if shares is not None:
            shares[1].release(share)

    def _current_shares(self) -> Shares:
        with self._lock:
            if self._shares is None or self._shares[0] != os.getpid():
                self._shares = os.getpid(), Shares(self._name, self._limits, self._post)
            return self._shares[1]
