"""The embedded Firestore as all that a process does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from flask_boiler.embedded.server import EmbeddedFirestore

__all__ = ["run_until_ended"]


def run_until_ended(server: EmbeddedFirestore, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; what was acknowledged is kept, if there is a file.

    Call it on the main thread, which is where Python hears of signals.

    :param say: tells whoever started it, a line at a time.
    :raises ConfigurationError: it cannot start; the message says why.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with server:
        say(f"Embedded Firestore at {server.host}, data in {server.kept_in}.")
        say("It checks no security rules: whoever reaches its port may read and write everything.")
        say(f"  export FIRESTORE_EMULATOR_HOST={server.host}")
        ended.wait()
    say("stopped")
