"""The program that runs one command for a process, and ends it when that process is gone.

    python supervisor.py COMMAND [ARGUMENT ...]

This file is a program of its own and imports nothing of the package.

- Standard input is a leash. The process that wants the command to run holds the
  other end; the kernel lets go of it however that process ends, also by SIGKILL.
- Standard output carries one line, the process id of the command.
- Standard error becomes the command's standard output and standard error.

The exit status is the command's.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

GRACE_S = 3.0
"""How long the command may take to end after SIGTERM before it is killed."""

_PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run the command until it ends or the leash is let go."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            preexec_fn=_death_with_parent(),  # noqa: PLW1509 - there is one thread yet
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be run: {error}\n")
        return 127
    try:
        os.write(sys.stdout.fileno(), f"{process.pid}\n".encode())
        threading.Thread(target=_end_when_released, args=(process,), daemon=True).start()
        return process.wait()
    finally:
        _end(process)


def _death_with_parent() -> Callable[[], object] | None:
    """A function by which the command dies with this supervisor, if it is killed; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _end_when_released(process: subprocess.Popen[bytes]) -> None:
    os.read(sys.stdin.fileno(), 1)
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
        return
    process.kill()
    process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
