"""All that is asked by HTTP: WebChannel, the REST interface, exporting and importing data."""

from __future__ import annotations

import io
import re
import sqlite3
import tempfile
from http import HTTPStatus
from typing import IO, Any, cast
from urllib.parse import parse_qsl, unquote

import grpc

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.serving.host_check import JSON, JSON_OF_SDKS, HostCheck, check_type
from flask_boiler.local.embedded.serving.http_connection import Answer, FileSource, Head
from flask_boiler.local.embedded.serving.proto_json import json_of
from flask_boiler.local.embedded.serving.rest_api import Rest
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.webchannel import CHANNELS, Session, WebChannels, fields_of
from flask_boiler.local.embedded.storage.database import refusal_of
from flask_boiler.local.embedded.storage.refusal import Refusal, invalid, unimplemented
from flask_boiler.local.embedded.writes.export_file import EXPORT, IMPORT, LINES
from flask_boiler.local.embedded.writes.transfer import clear, read_documents, write_documents

__all__ = ["Web"]

_IMPORTED = JSON | {LINES, "application/x-ndjson"}
_MIB = 1024 * 1024
#: A commit of 10 MiB, with room for what JSON makes of bytes.
_LARGEST_BODY = 16 * _MIB
_LARGEST_IMPORT = 1024 * _MIB
_CHANNEL = re.compile(rf"{re.escape(protocol.SERVICE)}({'|'.join(CHANNELS)})/channel")
_CLEARED = re.compile(r"/emulator/v1/(projects/[^/]+/databases/[^/]+)/documents")
_RULES = re.compile(r"/emulator/v1/projects/[^/]+:securityRules")
_REST = "/v1/"
_MOST_ASKED = 1000
_EMULATOR = "/emulator/"
_ANSWER_ID = re.compile(r"[0-9]{1,15}", re.ASCII)

#: By google/rpc/code.proto; all else is 500.
_STATUSES = {
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
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
    """Answers requests of HTTP; see ``http_connection.HttpHandler``."""

    def __init__(self, service: Service, channels: WebChannels, host_check: HostCheck) -> None:
        self._service = service
        self._channels = channels
        self._host_check = host_check
        self._rest = Rest(service)

    # As HTTP asks for it.

    def expect(self, head: Head) -> tuple[int, bool]:
        """The largest size of a request's body, and whether it is kept in a file.

        :raises Refusal: it is not served.
        """
        self._host_check.check(head.headers)
        head.is_admitted = True
        if head.method == "POST" and head.path == IMPORT:
            check_type(head.headers, _IMPORTED)
            return _LARGEST_IMPORT, True
        return _LARGEST_BODY, False

    def answer(self, head: Head, body: IO[bytes] | bytes) -> Answer:
        """The answer to a request."""
        try:
            answer = self._answer(head, body)
        except Refusal as refusal:
            return self.refused(head, refusal)
        except (sqlite3.Error, OSError) as error:
            return self.refused(head, refusal_of(error, self._service.storage.path))
        answer.headers += _headers(head)
        return answer

    def refused(
        self, head: Head | None, refusal: Refusal, status: HTTPStatus | None = None
    ) -> Answer:
        """The answer that tells a refusal, in the form that Google's errors have."""
        status = status or _STATUSES.get(refusal.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        told = {"code": status, "message": refusal.details, "status": refusal.code.name}
        answer = _json({"error": told}, status)
        answer.headers += _headers(head)
        return answer

    def _answer(self, head: Head, body: IO[bytes] | bytes) -> Answer:
        method, path = head.method, unquote(head.path)
        if method == "OPTIONS":
            return _preflight(head)
        if channel := _CHANNEL.fullmatch(path):
            return self._channel(method, channel[1], fields_of(head.query), body)
        match method, path:
            case "GET" | "HEAD", "/":
                return Answer(content=b"Ok\n")
            case "GET", _ if path == EXPORT:
                return self._export()
            case "POST", _ if path == IMPORT:
                return self._import(cast(IO[bytes], body))
        if path.startswith(_REST):
            return self._call(head, path.removeprefix(_REST), head.query, cast(bytes, body))
        if method == "DELETE" and (cleared := _CLEARED.fullmatch(path)):
            return _json({"documents": clear(self._service.storage, cleared[1])})
        if _RULES.fullmatch(path):
            raise unimplemented(
                "The embedded Firestore enforces no security rules yet, so it takes none; test "
                "them with Google's emulator (firestore: google-emulator)"
            )
        if path.startswith(_EMULATOR):
            raise unimplemented(f"The embedded Firestore has no {method} {path[:200]}.")
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"There is no {method} {path[:200]} here.")

    def _call(self, head: Head, resource: str, query: str, body: bytes) -> Answer:
        if body:
            is_sent_by_sdks = self._rest.is_call(head.method, resource)
            check_type(head.headers, JSON_OF_SDKS if is_sent_by_sdks else JSON)
        try:
            asked = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_ASKED)
        except ValueError as error:
            raise invalid(f"A query of a URL has {_MOST_ASKED} parameters at most.") from error
        return _json(self._rest.answer(head.method, resource, asked, body))

    # All the data.

    def _export(self) -> Answer:
        # Whoever reads slowly must not hold back commits.
        file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            lines = io.TextIOWrapper(file, encoding="utf-8")
            write_documents(self._service.storage, lines)
            lines.detach()
            length = file.tell()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        kind = f"{LINES}; charset=utf-8"
        return Answer(content_type=kind, source=FileSource(file), length=length)

    def _import(self, body: IO[bytes]) -> Answer:
        lines = io.TextIOWrapper(body, encoding="utf-8")
        try:
            count = read_documents(self._service.storage, lines, source="what was sent")
        except ConfigurationError as error:
            raise invalid(str(error)) from error
        finally:
            # The file is not the reader's to close.
            lines.detach()
        return _json({"documents": count})

    # WebChannel.

    def _channel(
        self, method: str, channel: str, asked: dict[str, str], body: IO[bytes] | bytes
    ) -> Answer:
        if method not in ("GET", "POST"):
            raise unimplemented(f"A WebChannel has no {method}.")
        if method == "POST" and "SID" not in asked:
            _, told = self._channels.open(channel, _text(body))
            return Answer(content=told)
        session = self._channels.find(asked.get("SID", ""))
        if session is None:
            # A client of one that is over opens another.
            return Answer(HTTPStatus.BAD_REQUEST, b"Unknown SID\n")
        if asked.get("TYPE") == "terminate":
            # A page that is left says so by an image's GET, where it has nothing better.
            self._channels.end(session)
            return Answer()
        if method == "GET":
            at_once = asked.get("CI") == "1"
            return Answer(source=session.back_channel(last_id=_last_id(asked), at_once=at_once))
        return self._forward(session, asked, _text(body))

    def _forward(self, session: Session, asked: dict[str, str], body: str) -> Answer:
        session.acknowledge(_last_id(asked))
        session.hear(fields_of(body))
        state = session.state()
        return Answer(content=f"{len(state)}\n{state}".encode())


def _json(plain: Any, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, json_of(plain).encode(), "application/json")


def _text(body: IO[bytes] | bytes) -> str:
    return cast(bytes, body).decode("utf-8", errors="replace")


def _headers(head: Head | None) -> list[tuple[str, str]]:
    found = [
        ("Vary", "Origin"),
        ("Cache-Control", "private, max-age=0"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    origin = head.headers.get("origin") if head is not None and head.is_admitted else None
    if origin is not None:
        # A page of this machine, from another port than this one.
        found.append(("Access-Control-Allow-Origin", origin))
        found.append(("Access-Control-Allow-Credentials", "true"))
    return found


def _preflight(head: Head) -> Answer:
    wanted = head.headers.get("access-control-request-headers", "*")
    return Answer(
        headers=[
            ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("Access-Control-Allow-Headers", wanted),
            ("Access-Control-Max-Age", "3600"),
        ]
    )


def _last_id(asked: dict[str, str]) -> int:
    text = asked.get("AID", "0")
    if not _ANSWER_ID.fullmatch(text):
        raise invalid(f'"{text[:20]}" is not the number of an answer.')
    return int(text)
