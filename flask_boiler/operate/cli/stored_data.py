"""The data of an embedded Firestore, at rest in a file or with a server that runs."""

from __future__ import annotations

import http.client
import json
import math
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import quote

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.reachability import Reachability
from flask_boiler.local.embedded.writes.export_file import EXPORT, IMPORT, LINES, replacing
from flask_boiler.operate.cli.terminal import tell

if TYPE_CHECKING:
    from flask_boiler.local.embedded.storage.storage import Storage

__all__ = ["DataAtRest", "DataServed", "StoredData"]

_PIECE = 64 * 1024


class StoredData(Protocol):
    """All documents of all databases."""

    def export(self, target: Path) -> None:
        """Write all documents to a file.

        :raises ConfigurationError: they cannot be read or written.
        """
        ...

    def add(self, source: Path) -> int:
        """Write the documents of an exported file; how many there are.

        :raises ConfigurationError: the file is no export; nothing was written.
        """
        ...

    def clear(self, world: str) -> int | None:
        """Delete the documents of a database; how many there were, if that is known.

        :param world: ``projects/P/databases/D``.
        """
        ...


class DataAtRest:
    """The documents in a file that no server has open; ``add`` makes the file if it is missing.

    What stores documents is imported when it is used: who asks a server needs none of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, target: Path) -> None:
        """Write all documents to a file, as of one time."""
        from flask_boiler.local.embedded.writes.transfer import export_documents

        with self._opened() as storage:
            export_documents(storage, target)

    def add(self, source: Path) -> int:
        """Write the documents of an exported file; how many there are."""
        from flask_boiler.local.embedded.writes.transfer import import_documents

        with self._opened(or_made=True) as storage:
            return import_documents(storage, source)

    def clear(self, world: str) -> int:
        """Delete the documents of a database; how many there were."""
        from flask_boiler.local.embedded.writes.transfer import clear

        with self._opened() as storage:
            return clear(storage, world)

    def __str__(self) -> str:
        return str(self._path)

    @contextmanager
    def _opened(self, *, or_made: bool = False) -> Iterator[Storage]:
        from flask_boiler.local.embedded.storage.refusal import Refusal
        from flask_boiler.local.embedded.storage.storage import Storage

        if not (or_made or self._path.exists()):
            raise ConfigurationError(f"there is no file {self._path}")
        storage = Storage(self._path)
        try:
            yield storage
        except Refusal as refusal:
            raise ConfigurationError(f"{self._path}: {refusal.details}") from refusal
        finally:
            storage.close()


class DataServed:
    """The documents of a server that runs, which has them in memory or in a file.

    :param host: its ``HOST:PORT``.
    :param wait_s: for how long it is waited for when it does not answer.
    """

    def __init__(self, host: str, *, wait_s: float = math.inf) -> None:
        self._host = host
        self._wait_s = wait_s
        self._reachability = Reachability(host, host, tell=tell)

    def export(self, target: Path) -> None:
        """Write all documents to a file, as of one time."""
        with self._answer("GET", EXPORT) as answer, replacing(target) as file:
            for piece in self._pieces(answer):
                file.buffer.write(piece)

    def add(self, source: Path) -> int:
        """Write the documents of an exported file; how many there are."""
        try:
            with source.open("rb") as file, self._answer("POST", IMPORT, file) as answer:
                count = self._count(answer)
        except OSError as error:
            raise ConfigurationError(f"cannot import {source}: {error}") from error
        if count is None:
            raise ConfigurationError(self._stranger("does not say what it imported"))
        return count

    def clear(self, world: str) -> int | None:
        """Delete the documents of a database; how many there were, which Google's does not say."""
        path = f"/emulator/v1/{quote(world, safe='/()')}/documents"
        with self._answer("DELETE", path) as answer:
            return self._count(answer)

    def __str__(self) -> str:
        return self._host

    @contextmanager
    def _answer(
        self, method: str, path: str, body: IO[bytes] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        length = 0 if body is None else os.fstat(body.fileno()).st_size
        with closing(self._connected()) as connection:
            try:
                headers = {"Content-Length": str(length), "Content-Type": LINES}
                with self._reachability.waiting(connection.close):
                    connection.request(method, path, body, headers)
                    answer = connection.getresponse()
                # Lines of JSON as well. Other servers may answer anything with a page.
                is_ours = answer.getheader("Content-Type", "").startswith("application/json")
                if answer.status != http.HTTPStatus.OK or not is_ours:
                    raise ConfigurationError(self._refusal(answer))
                yield answer
            except TimeoutError as error:
                raise ConfigurationError(
                    f"gave up after {self._wait_s:g} s: {self._host} takes connections but does "
                    "not answer; the request may or may not have been done"
                ) from error
            except http.client.RemoteDisconnected as error:
                raise self._ended(error) from error
            except http.client.BadStatusLine as error:
                # What it said is for no terminal.
                raise ConfigurationError(self._stranger("does not speak HTTP")) from error
            except (OSError, http.client.HTTPException) as error:
                raise self._ended(error) from error

    def _ended(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self._host} ended the connection before it had answered ({error}): the request may "
            "or may not have been done. Check whether it runs, and try again"
        )

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The exported file, in pieces."""
        try:
            while piece := answer.read(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(
                f"{self._host} ended while it exported ({error}); try again"
            ) from error
        # Reading in pieces does not notice by itself that the last ones are missing.
        if answer.length:
            raise ConfigurationError(f"{self._host} ended while it exported; try again")

    def _count(self, answer: http.client.HTTPResponse) -> int | None:
        """The number of documents that an answer names, if it names one."""
        try:
            count = json.load(answer).get("documents")
        except (ValueError, AttributeError) as error:
            raise ConfigurationError(
                self._stranger("does not answer with a JSON object")
            ) from error
        return count if isinstance(count, int) else None

    def _connected(self) -> http.client.HTTPConnection:
        try:
            patience_s = None if self._wait_s == math.inf else self._wait_s
            connection = http.client.HTTPConnection(self._host, timeout=patience_s)
            connection.connect()
        # A name that is none is a UnicodeError.
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise ConfigurationError(
                f"no Firestore answers at {self._host} ({error}). Start it, or give its file with "
                "--file"
            ) from error
        return connection

    def _refusal(self, answer: http.client.HTTPResponse) -> str:
        text = answer.read().decode(errors="replace")
        try:
            return f"{self._host}: {json.loads(text)['error']['message']}"
        except (ValueError, LookupError, TypeError):
            return self._stranger(f"does not know this request ({answer.status} {answer.reason})")

    def _stranger(self, does: str) -> str:
        return f"the program at {self._host} {does}: it is not the embedded Firestore"
