"""Processes that are not children of this one: waiting for their end, and finding them."""

import os
import select
from pathlib import Path

#: Options of a pytest in a process of its own, to which these plugins, seconds to load, are no use.
WITHOUT_SLOW_PLUGINS = ["-p", "no:schemathesis", "-p", "no:hypothesispytest"]


def is_gone(pid: int, *, timeout_s: float) -> bool:
    """Whether a process has ended, or does so in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended, _, _ = select.select([descriptor], [], [], timeout_s)
        return bool(ended)
    finally:
        os.close(descriptor)


def with_environment(setting: str) -> dict[int, str]:
    """The command lines, by process id, of all others that were started with ``NAME=value``."""
    return {
        pid: command
        for pid in _pids()
        if pid != os.getpid()
        and setting.encode() in _content(pid, "environ").split(b"\0")
        and (command := _content(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace"))
    }


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _content(pid: int, file: str) -> bytes:
    """A file of ``/proc``; empty for a process that is gone, is somebody else's, or a zombie."""
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""
