"""What browsers and ``curl`` are served: WebChannel, REST calls of the web SDK, all the data."""

from __future__ import annotations

import io
import re
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import IO, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc

from flask_boiler.embedded.admission import JSON, JSON_OF_SDKS, Admission, check_type
from flask_boiler.embedded.database import refusal_of
from flask_boiler.embedded.proto_json import json_of, message_of, plain_of
from flask_boiler.embedded.refusal import Refusal, invalid
from flask_boiler.embedded.service import Service
from flask_boiler.embedded.transfer import clear, read_documents, write_documents
from flask_boiler.embedded.webchannel import CHANNELS, Session, WebChannels
from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore import protocol

__all__ = ["EXPORT", "IMPORT", "LINES", "Web"]

#: Where all data of all databases are had, and taken.
EXPORT = "/emulator/v1/export"
IMPORT = "/emulator/v1/import"

#: The type of exported data: a document in JSON on each line.
LINES = "application/jsonl"

_IMPORTED = JSON | {LINES, "application/x-ndjson"}
_LARGEST_BODY = 64 * 1024 * 1024
_PIECE = 1024 * 1024
_CHANNEL = re.compile(rf"{re.escape(protocol.SERVICE)}({'|'.join(CHANNELS)})/channel")
_CLEARED = re.compile(r"/emulator/v1/(projects/[^/]+/databases/[^/]+)/documents")
_CALLED = re.compile(r"/v1/((projects/[^/]+/databases/[^/]+)(?:/documents.*)?):([a-zA-Z]+)")

_STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Web:
    """Serves connections of HTTP/1.1."""

    def __init__(self, service: Service, channels: WebChannels, admission: Admission) -> None:
        self.admission = admission
        self.service = service
        self.channels = channels
        # What has one answer, and what has many: these are a JSON array.
        self.calls: dict[str, tuple[Callable[[Any], Any], Any]] = {
            "commit": (service.commit, protocol.CommitRequest),
            "beginTransaction": (service.begin_transaction, protocol.BeginTransactionRequest),
            "rollback": (service.rollback, protocol.RollbackRequest),
            "batchGet": (service.batch_get_documents, protocol.BatchGetDocumentsRequest),
            "runQuery": (service.run_query, protocol.RunQueryRequest),
            "runAggregationQuery": (
                service.run_aggregation_query,
                protocol.RunAggregationQueryRequest,
            ),
        }
        self._answers = {
            "batchGet": protocol.BatchGetDocumentsResponse,
            "runQuery": protocol.RunQueryResponse,
            "runAggregationQuery": protocol.RunAggregationQueryResponse,
        }

    def serve(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Serve one connection until it ends."""
        _Request(self, connection, peer)

    def call(self, call: str, resource: str, world: str, body: bytes) -> str:
        """Do a REST call; its answer in JSON.

        :raises Refusal: as the call does.
        """
        if call not in self.calls:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f'There is no REST call "{call}" here.')
        do, kind = self.calls[call]
        request = message_of(body, kind)
        if "parent" in kind.DESCRIPTOR.fields_by_name:
            request.parent = resource
        else:
            request.database = world
        answer = do(request)
        if not isinstance(answer, Iterator):
            return json_of(plain_of(answer))
        many = self._answers[call]
        return json_of(
            [plain_of(many.FromString(a) if isinstance(a, bytes) else a) for a in answer]
        )


class _Request(BaseHTTPRequestHandler):
    """One connection, and the requests on it one after the other."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __init__(self, web: Web, connection: socket.socket, peer: tuple[str, int]) -> None:
        self._web = web
        self._origin: str | None = None
        super().__init__(connection, peer, None)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is asked for is the application's business."""

    def parse_request(self) -> bool:
        """Go on with those requests alone that may be served."""
        # What is answered before the headers are known is told to nobody's page.
        self._origin = None
        if not super().parse_request():
            return False
        # Where one is given twice, it counts as what both say together, which is no name.
        self._fields = {
            name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers
        }
        self._is_admitted = False
        self._refusing(self._admit)
        return self._is_admitted

    def _admit(self) -> None:
        try:
            self._web.admission.check(self._fields)
        except Refusal:
            # Its body is not read.
            self.close_connection = True
            raise
        self._origin = self._fields.get("origin")
        self._is_admitted = True

    def do_OPTIONS(self) -> None:
        self._answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/":
            self._answer(HTTPStatus.OK, "Ok\n")
        elif _CHANNEL.fullmatch(url.path):
            self._refusing(lambda: self._back_channel(dict(parse_qsl(url.query))))
        elif url.path == EXPORT:
            self._refusing(self._export)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "Not found\n")

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        if url.path == IMPORT:
            self._refusing(self._import)
            return
        body = self._body()
        if body is None:
            return
        if channel := _CHANNEL.fullmatch(url.path):
            asked = dict(parse_qsl(url.query))
            self._refusing(lambda: self._forward_channel(channel[1], asked, body))
        elif called := _CALLED.fullmatch(unquote(url.path)):
            resource, world, call = called.groups()
            self._refusing(lambda: self._call_with(call, resource, world, body))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "Not found\n")

    def do_DELETE(self) -> None:
        if cleared := _CLEARED.fullmatch(unquote(urlsplit(self.path).path)):
            self._refusing(lambda: self._clear(cleared[1]))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "Not found\n")

    def _clear(self, world: str) -> None:
        count = clear(self._web.service.storage, world)
        self._answer(HTTPStatus.OK, json_of({"documents": count}), "application/json")

    def _export(self) -> None:
        # Whoever reads slowly must not hold back commits.
        with tempfile.TemporaryFile() as file:
            lines = io.TextIOWrapper(file, encoding="utf-8")
            write_documents(self._web.service.storage, lines)
            lines.detach()
            length = file.tell()
            file.seek(0)
            self._begin(HTTPStatus.OK)
            self.send_header("Content-Type", f"{LINES}; charset=utf-8")
            self.send_header("Content-Length", str(length))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile)
            self.wfile.flush()

    def _import(self) -> None:
        try:
            check_type(self._fields, _IMPORTED)
        except Refusal:
            # Its body is not read.
            self.close_connection = True
            raise
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self._answer(HTTPStatus.LENGTH_REQUIRED)
            return
        with tempfile.TemporaryFile() as body:
            self._receive(body, int(length))
            lines = io.TextIOWrapper(body, encoding="utf-8")
            try:
                count = read_documents(self._web.service.storage, lines, source="what was sent")
            except ConfigurationError as error:
                raise invalid(str(error)) from error
        self._answer(HTTPStatus.OK, json_of({"documents": count}), "application/json")

    def _receive(self, body: IO[bytes], length: int) -> None:
        while length:
            received = self.rfile.read(min(length, _PIECE))
            if not received:
                raise ConnectionError("the client went away in the middle of what it sends")
            body.write(received)
            length -= len(received)
        body.seek(0)

    def _call_with(self, call: str, resource: str, world: str, body: bytes) -> None:
        if body:
            check_type(self._fields, JSON_OF_SDKS)
        answer = self._web.call(call, resource, world, body)
        self._answer(HTTPStatus.OK, answer, "application/json")

    def _refusing(self, act: Callable[[], None]) -> None:
        """Do something, and answer what is refused."""
        try:
            act()
        except (Refusal, sqlite3.Error) as error:
            path = self._web.service.storage.path
            refusal = error if isinstance(error, Refusal) else refusal_of(error, path)
            status = _STATUSES.get(refusal.code, HTTPStatus.INTERNAL_SERVER_ERROR)
            told = {"code": status, "message": refusal.details, "status": refusal.code.name}
            self._answer(status, json_of({"error": told}), "application/json")

    # WebChannel.

    def _forward_channel(self, channel: str, asked: dict[str, str], body: bytes) -> None:
        text = body.decode("utf-8", errors="replace")
        if "SID" not in asked:
            _, told = self._web.channels.open(channel, text)
            self._answer(HTTPStatus.OK, told.decode("ascii"))
            return
        session = self._session(asked)
        if session is None:
            return
        if asked.get("TYPE") == "terminate":
            self._web.channels.end(session)
            self._answer(HTTPStatus.OK)
            return
        session.acknowledge(_last_id(asked))
        session.hear(dict(parse_qsl(text, keep_blank_values=True)))
        state = session.state()
        self._answer(HTTPStatus.OK, f"{len(state)}\n{state}")

    def _back_channel(self, asked: dict[str, str]) -> None:
        session = self._session(asked)
        if session is None:
            return
        last_id = _last_id(asked)
        self._begin(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for said in session.answers(last_id=last_id, at_once=asked.get("CI") == "1"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(said), said))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _session(self, asked: dict[str, str]) -> Session | None:
        """The session that is meant; a client of one that is over is told to open another."""
        session = self._web.channels.find(asked.get("SID", ""))
        if session is None:
            self._answer(HTTPStatus.BAD_REQUEST, "Unknown SID\n")
        return session

    # Plain HTTP.

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return self.rfile.read(int(length))

    def _begin(self, status: HTTPStatus) -> None:
        self.send_response(status)
        if self._origin is not None:
            # A page of this machine, from another port than this one.
            self.send_header("Access-Control-Allow-Origin", self._origin)
            self.send_header("Access-Control-Allow-Credentials", "true")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Vary", "Origin")
        self.send_header("Cache-Control", "private, max-age=0")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.command == "OPTIONS" and status == HTTPStatus.OK:
            self.send_header("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
            wanted = self.headers.get("Access-Control-Request-Headers", "*")
            self.send_header("Access-Control-Allow-Headers", wanted)
            self.send_header("Access-Control-Max-Age", "3600")

    def _answer(
        self, status: HTTPStatus, text: str = "", content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        content = text.encode()
        self._begin(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def _last_id(asked: dict[str, str]) -> int:
    text = asked.get("AID", "0")
    if not text.isdecimal():
        raise invalid(f'"{text}" is not the number of an answer.')
    return int(text)
