"""The embedded Firestore as a program: its command line, and what a process does that runs it.

Whoever starts the program in another process needs nothing of the server, so that is imported where
it is run.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.ground.signals import EndRequests

if TYPE_CHECKING:
    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore

__all__ = ["EmbeddedProgram", "main", "run_until_ended"]

_STOP_WITHIN_S = 4.0


@dataclass(frozen=True, slots=True)
class EmbeddedProgram:
    """The embedded Firestore as a program.

    :param file: where it keeps its data; without it, in memory.
    :param trusted_hosts: as ``EmbeddedFirestore`` takes them.
    """

    file: str | None = None
    trusted_hosts: tuple[str, ...] = ()

    def command(self, *, address: str, port: int) -> list[str]:
        """The command line that serves Firestore at ``address:port``."""
        command = [sys.executable, "-m", "flask_boiler.embedded"]
        if self.file is not None:
            # It runs in a directory of its own.
            command += ["--file", os.path.abspath(self.file)]
        for name in self.trusted_hosts:
            command += ["--trusted-host", name]
        return [*command, "--address", address, "--port", str(port)]


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


def main() -> int:
    """Serve until it is ended; the exit status."""
    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
    from flask_boiler.local.embedded.storage.database import MEMORY

    arguments = _arguments()
    # It is told below, to whoever looks at the output.
    logging.getLogger("flask_boiler.embedded").setLevel(logging.ERROR)
    try:
        server = EmbeddedFirestore(
            arguments.file or MEMORY,
            address=arguments.address,
            port=arguments.port,
            allow_remote=arguments.allow_remote,
            trusted_hosts=arguments.trusted_host,
        )
        run_until_ended(server, _say)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flask_boiler.embedded",
        description="Run an embedded Firestore in a process of its own.",
    )
    parser.add_argument("--file", help="where its data are kept (in memory)")
    parser.add_argument("--address", default="127.0.0.1", help="where it listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="at which port (a free one)")
    parser.add_argument(
        "--allow-remote", action="store_true", help="allow an address that others can reach"
    )
    parser.add_argument(
        "--trusted-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, besides localhost, under which browsers may ask, and whose pages may",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
