"""The embedded Firestore as all that a process does."""

from __future__ import annotations

from collections.abc import Callable

from flask_boiler.embedded.server import EmbeddedFirestore
from flask_boiler.signals import EndRequests
from flask_boiler.threads import OwnThread

__all__ = ["run_until_ended"]

_STOP_WITHIN_S = 4.0


def run_until_ended(server: EmbeddedFirestore, say: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; what was acknowledged is kept, if there is a file.

    Call it on the main thread, which is where Python hears of signals. It ends within five
    seconds, whatever calls are open; a signal that comes meanwhile changes nothing.

    :param say: tells whoever started it, a line at a time.
    :raises ConfigurationError: it cannot start; the message says why.
    """
    with EndRequests() as requests:
        server.start()
        say(f"Embedded Firestore at {server.host}, data in {server.kept_in}.")
        say("It checks no security rules: whoever reaches its port may read and write everything.")
        say(f"  export FIRESTORE_EMULATOR_HOST={server.host}")
        requests.wait()
        # Calls of clients that do not read may hold it up; what was acknowledged is written.
        stopping = OwnThread(
            server.stop, name="embedded-stop", stops="the embedded Firestore is left as it is"
        )
        stopping.start()
        stopping.join(_STOP_WITHIN_S)
    say("stopped")
