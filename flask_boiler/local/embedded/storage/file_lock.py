"""The lock of a data file: one process has it at a time, by whatever name it opens it.

What is locked is the opened file itself, so a link to it is the same file. The file ``FILE.lock``
beside it is locked, too, which keeps a file that takes its place from meeting the log of the one
before it, and says who has it: a line of JSON with ``pid`` and, as soon as it serves, ``address``
(``HOST:PORT``). Locks end with their process, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["FileLock", "HeldError", "Holder", "holder_of", "other_names"]

#: Whoever only looks who has the file locks for a moment.
_ATTEMPTS = 20
_PAUSE_S = 0.01
#: Where Windows locks a byte: what is locked there cannot be read.
_FAR = 1 << 30
_OWNERS_ALONE = 0o600
#: Of what is written into FILE.lock.
_MOST_TOLD = 1000
#: What SQLite writes at the beginning of its files.
_MAGIC = b"SQLite format 3\0"
#: Whoever may write in its directory could have led it anywhere.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


class Holder(NamedTuple):
    """The process that has a data file.

    :param pid: its number; 0, if that is not known.
    :param address: ``HOST:PORT`` of its server, if there is one already.
    """

    pid: int
    address: str | None

    def __str__(self) -> str:
        if self.pid == 0:
            return "another process"
        where = "" if self.address is None else f", which serves it at {self.address}"
        return f"process {self.pid}{where}"


class HeldError(Exception):
    """Another process has the file open."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(
            "another process has it open"
            if holder.pid == 0
            else f"another process has it open: {holder}"
        )
        self.holder = holder


def holder_of(path: str | Path) -> Holder | None:
    """The process that has a data file open by this name or a link to it; ``None``: none has."""
    beside = _beside(os.path.realpath(path))
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if _lock(handle, shared=True) else _read(handle)
    finally:
        os.close(handle)


def other_names(path: str) -> list[str]:
    """The other names that a file has in its directory: hard links."""
    found = os.stat(path)
    if found.st_nlink < 2:
        return []
    with os.scandir(os.path.dirname(path)) as entries:
        same = [one.path for one in entries if one.inode() == found.st_ino]
    return sorted(name for name in same if name != path)


class FileLock:
    """A data file that is this process's alone; it is created if it is missing.

    :param path: its name, or that of a symbolic link to it.
    :raises HeldError: another process has it.
    :raises OSError: it cannot be opened or locked, or what lies beside it belongs to others.
    """

    def __init__(self, path: str) -> None:
        #: The name by which it is to be opened: links are followed once and for all.
        self.path = os.path.realpath(path)
        self._handles: list[int] = []
        logs = [f"{self.path}{kind}" for kind in ("-wal", "-shm")]
        for beside in (_beside(self.path), *logs):
            _check_ours(beside)
        try:
            self._beside = self._hold(
                _beside(self.path), lambda: holder_of(self.path), os.O_CREAT | _NO_LINK
            )
            # Who had it before is not to be taken for who has it.
            self._write(None)
            handle = self._hold(self.path, self._holder_by_another_name, os.O_CREAT)
            # It may be no data file, which is found out later: then nothing has changed.
            if os.pread(handle, len(_MAGIC), 0) in (b"", _MAGIC):
                names: list[int | str] = [self._beside, handle, *logs]
                for file in names:
                    _make_owners_alone(file)
        except BaseException:
            self.release()
            raise
        _held.add(self)

    def announce(self, address: str) -> None:
        """Tell who asks where it is served."""
        self._write(address)

    def release(self) -> None:
        """Let others have it. All else that this process has open of it is closed before."""
        handles, self._handles = self._handles, []
        for number, handle in enumerate(handles):
            if number == 0 and len(handles) > 1:
                # Nobody has it any more.
                with contextlib.suppress(OSError):
                    os.truncate(handle, 0)
            os.close(handle)

    def abandon(self) -> None:
        """Close it in a forked child: the lock is the parent's, and ends with it."""
        handles, self._handles = self._handles, []
        for handle in handles:
            os.close(handle)

    def _holder_by_another_name(self) -> Holder | None:
        names = other_names(self.path)
        return next(filter(None, map(holder_of, names)), None)

    def _hold(self, path: str, holder: Callable[[], Holder | None], how: int) -> int:
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | how, _OWNERS_ALONE)
            self._handles.append(handle)
            if not _lock_at_last(handle):
                raise HeldError(holder() or Holder(0, None))
            if _is_at(handle, path):
                return handle
            # It was replaced meanwhile.
            os.close(self._handles.pop())

    def _write(self, address: str | None) -> None:
        told = json.dumps({"pid": os.getpid(), "address": address}) + "\n"
        # Who has it is a help; a full disk does not keep anybody from reading what there is.
        with contextlib.suppress(OSError):
            os.truncate(self._beside, 0)
            os.pwrite(self._beside, told.encode(), 0)


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _abandon_all() -> None:
    # The kernel lets go of a lock when nobody has its file open any more, and a forked child has.
    for lock in list(_held):
        lock.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _beside(path: str) -> str:
    return f"{path}.lock"


def _check_ours(path: str) -> None:
    """Check that what is at a name of ours is a file of that one name, or nothing.

    It is written to, and whose else it is would lose it.

    :raises OSError: it is something else.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    why = ""
    if stat.S_ISLNK(found.st_mode):
        why = "a symbolic link"
    elif not stat.S_ISREG(found.st_mode):
        why = "no file"
    elif found.st_nlink > 1:
        why = "a file with other names"
    elif path.endswith(".lock") and found.st_size > _MOST_TOLD:
        why = "a file of another program"
    if why:
        raise OSError(f"{path} is {why}, and is not overwritten; move it away")


def _read(handle: int) -> Holder:
    try:
        told = json.loads(os.pread(handle, _MOST_TOLD, 0))
        pid, address = told["pid"], told["address"]
    except (OSError, ValueError, LookupError, TypeError):
        return Holder(0, None)
    known = isinstance(address, str)
    return Holder(pid if isinstance(pid, int) else 0, address if known else None)


def _lock_at_last(handle: int) -> bool:
    for _ in range(_ATTEMPTS):
        if _lock(handle):
            return True
        time.sleep(_PAUSE_S)
    return False


def _lock(handle: int, *, shared: bool = False) -> bool:
    """Whether it is locked now; another has it, otherwise."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            # Apart from SQLite's own locks, which are of the other kind.
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def _is_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _make_owners_alone(file: int | str) -> None:
    # Not every file system knows of owners, not everybody is one, and not every log is there.
    with contextlib.suppress(OSError):
        found = os.stat(file).st_mode
        if stat.S_ISREG(found) and stat.S_IMODE(found) & ~_OWNERS_ALONE:
            os.chmod(file, _OWNERS_ALONE)
