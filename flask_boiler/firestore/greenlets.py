"""Greenlets that stand in for threads, where an application has patched them in."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from flask_boiler.ground.errors import ConfigurationError

__all__ = ["hook_grpc", "patched"]


def patched() -> bool:
    """Whether gevent or eventlet has replaced the threads of this process with its greenlets."""
    return _by_gevent() or _by_eventlet()


def hook_grpc() -> None:
    """Have gRPC wait as greenlets do, where threads are gevent's greenlets.

    Else the first call to Firestore blocks the one real thread for ever, also for whoever is to
    answer it. To be called before the first channel or server is made. Where nothing is patched, or
    the application has done it, nothing happens.

    :raises ConfigurationError: the greenlets are eventlet's, for which gRPC has no hook.
    """
    if _by_eventlet():
        raise ConfigurationError(
            "eventlet has replaced the threads of this process, and gRPC, by which Firestore is "
            "reached, would block them all for ever: use threads (no eventlet.monkey_patch()), or "
            "gevent"
        )
    if not _by_gevent():
        return
    from grpc.experimental import gevent

    cygrpc: Any = import_module("grpc._cython.cygrpc")
    if not cygrpc.g_gevent_activated:
        gevent.init_gevent()


def _by_gevent() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _by_eventlet() -> bool:
    patcher: Any = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("thread"))
