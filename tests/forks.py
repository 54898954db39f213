"""Children of this process that do one thing, and do not outlive it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def forked(work: Callable[[], None]) -> int:
    """The process id of a child that does this and ends, with 0 if nothing was raised.

    This process must not have used gRPC before.
    """
    pid = os.fork()
    if pid:
        return pid
    ending = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        work()
        ending = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(ending)
