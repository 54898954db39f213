"""``flask boiler firestore``, as an operator runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.local.attached import refusal_of
from flask_boiler.local.google.installation import Installation
from flask_boiler.local.google.launcher import FirestoreProcess

PROJECT = "demo-boiler"
TIMEOUT_S = 60


@pytest.fixture(autouse=True)
def no_other_firestore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    # There is no application here, and no configuration.
    monkeypatch.chdir(tmp_path)


def command(*arguments: str, group: tuple[str, ...] = ("firestore",)) -> list[str]:
    return [sys.executable, "-m", "flask", "boiler", *group, *arguments]


def run(
    *arguments: str,
    status: int = 0,
    environment: dict[str, str] | None = None,
    group: tuple[str, ...] = ("firestore",),
) -> str:
    """What a command says; it must not fall over."""
    done = subprocess.run(
        command(*arguments, group=group),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[str]:
    """The ``HOST:PORT`` of one that runs until the block ends."""
    with subprocess.Popen(
        command("start", *arguments),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        host = next(line for line in lines if "export FIRESTORE" in line).strip().rpartition("=")[2]
        try:
            yield host
        except BaseException:
            process.kill()
            raise
        process.send_signal(signal.SIGINT)
        assert list(lines) == ["stopped\n"]
    assert process.returncode == 0


def put(host: str, *paths: str, project: str = PROJECT) -> None:
    client = local_client(host, project=project, database="(default)")
    for path in paths:
        client.document(path).set({"path": path})
    close_client(client)


def ids(host: str, project: str = PROJECT) -> list[str]:
    client = local_client(host, project=project, database="(default)")
    found = [document.id for document in client.collection("cities").list_documents()]
    close_client(client)
    return found


@pytest.mark.long
def test_what_is_exported_while_it_runs_is_imported_into_a_file_and_back(tmp_path: Path) -> None:
    with started() as host:
        put(host, "cities/SF", "cities/LA")
        put(host, "cities/BJ", project="another")
        said = run("export", "all.jsonl", "--host", host)
        assert said == "exported 3 document(s) to all.jsonl\n"
    assert refusal_of(host) is not None
    assert "3 document(s)" in run("import", "all.jsonl", "--file", "data.db")
    # What is configured need not be said.
    configured = {"BOILER_FIRESTORE_FILE": str(tmp_path / "data.db")}
    assert "3 document(s)" in run("export", "again.jsonl", environment=configured)
    with started(**configured) as host:
        assert ids(host) == ["LA", "SF"]
        assert ids(host, "another") == ["BJ"]
        named = {"FIRESTORE_EMULATOR_HOST": host}
        said = run("clear", "--yes", environment=named)
        assert said == f"deleted 2 document(s) of projects/{PROJECT}/databases/(default)\n"
        assert (ids(host), ids(host, "another")) == ([], ["BJ"])
        assert "3 document(s)" in run("import", "again.jsonl", environment=named)
        assert ids(host) == ["LA", "SF"]
    another = ("clear", "--yes", "--project=another")
    assert "deleted 1 document(s) of projects/another/" in run(*another, environment=configured)
    # As when a name is mistyped.
    said = run(*another, environment=configured)
    assert said.startswith("projects/another/databases/(default) has no documents in ")
    assert "use --project and --database for another one" in said


def test_nothing_is_cleared_that_nobody_confirmed() -> None:
    with EmbeddedFirestore() as server:
        put(server.host, "cities/SF")
        done = subprocess.run(
            command("clear", "--host", server.host),
            input="n\n",
            text=True,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert f"projects/{PROJECT}/databases/(default) in {server.host}?" in done.stdout
        assert done.returncode == 1
        # Nobody is there to be asked.
        assert "use --yes" in run("clear", "--host", server.host, status=2)
        assert ids(server.host) == ["SF"]


@pytest.mark.long
def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    assert "not clear whose data" in run("export", "all.jsonl", status=2)
    assert "give only one" in run("export", "x", "--host", "h:1", "--file", "f", status=2)
    assert "there is no file missing.db" in run("export", "x", "--file", "missing.db", status=1)
    said = run("export", "x", "--host", "127.0.0.1:1", status=1)
    assert "no Firestore answers at 127.0.0.1:1" in said
    assert not (tmp_path / "x").exists()
    (tmp_path / "junk").write_text("junk\n")
    said = run("import", "junk", "--file", "data.db", status=1)
    assert "cannot import junk: its first line is not that of an export" in said
    with EmbeddedFirestore(tmp_path / "data.db") as server:
        assert "is not that of an export" in run("import", "junk", "--host", server.host, status=1)
        said = run("export", "x", "--file", "data.db", status=1)
        assert "another process has it open" in said
        assert f"--host {server.host}" in said
        (tmp_path / "boiler.yaml").write_text("firestore_file: data.db\n")
        assert "exported 0 document(s)" in run("export", "x")
        assert "does not listen at 0.0.0.0" in run("start", "--address", "0.0.0.0", status=1)
    (tmp_path / "boiler.yaml").write_text("firestore: mongo\n")
    assert "firestore must be one of embedded" in run("start", status=1)


def test_no_application_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "boiler.yaml").write_text("firestore_file: data.db\nproject: demo-named\n")
    (tmp_path / "app.py").write_text("raise SystemExit('it was loaded')\n")
    with started() as host:
        put(host, "cities/SF", project="demo-named")
        assert (
            run("wait", group=()) == f"Firestore answers with the data of {tmp_path / 'data.db'}\n"
        )
    said = run("clear", "--yes", environment={"FLASK_APP": "citties"})
    assert said == "deleted 1 document(s) of projects/demo-named/databases/(default)\n"


def test_a_file_in_the_home_directory_is_found(tmp_path: Path) -> None:
    with started(BOILER_FIRESTORE_FILE="~/data.db", HOME=str(tmp_path)) as host:
        put(host, "cities/SF")
    assert (tmp_path / "data.db").exists()


def test_a_database_is_not_exported_over_itself(tmp_path: Path) -> None:
    with EmbeddedFirestore(tmp_path / "data.db") as server:
        put(server.host, "cities/SF")
        said = run("export", "data.db", "--host", server.host, status=1)
        assert "cannot export to data.db: it is a database, which would be lost" in said
    said = run("export", "data.db", "--file", "data.db", status=1)
    assert "it is a database" in said
    with EmbeddedFirestore(tmp_path / "data.db") as server:
        assert ids(server.host) == ["SF"]


@pytest.mark.long
def test_what_is_no_plain_file_is_not_replaced_by_an_export(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("all.jsonl")
    with EmbeddedFirestore() as server:
        said = run("export", "pipe", "--host", server.host, status=1)
        assert "cannot export to pipe: it is not a plain file" in said
        run("export", "link", "--host", server.host)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "all.jsonl").exists()


class Page(BaseHTTPRequestHandler):
    """Answers anything with a page, as servers of single-page applications do."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"page")

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.long
def test_a_server_of_pages_is_not_taken_for_a_firestore(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text('{"kind": "flask_boiler export", "format": 1}\n')
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        for arguments in (["export", "x"], ["import", "all.jsonl"], ["clear", "--yes"]):
            said = run(*arguments, "--host", host, status=1)
            assert "it is not the embedded Firestore" in said
        server.shutdown()
    assert not (tmp_path / "x").exists()


@pytest.mark.long
def test_a_server_that_ends_before_it_has_answered_is_told_from_one_that_is_not_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "all.jsonl").write_text('{"kind": "flask_boiler export", "format": 1}\n')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        threading.Thread(target=hang_up_on_all, args=(listening,), daemon=True).start()
        for arguments in (["export", "x"], ["import", "all.jsonl"], ["clear", "--yes"]):
            said = run(*arguments, "--host", host, status=1)
            assert f"{host} ended the connection before it had answered" in said
        listening.shutdown(socket.SHUT_RDWR)
    said = run("import", "all.jsonl", "--host", host, status=1)
    assert f"no Firestore answers at {host}" in said


def hang_up_on_all(listening: socket.socket, answer: bytes = b"") -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("answer", "arguments", "complaint"),
    [
        # What a store of keys says, and what speaks HTTP/2 alone.
        (b"-ERR unknown command 'DELETE'\r\n", ["clear", "--yes"], "does not speak HTTP"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", ["export", "x"], "does not speak HTTP"),
        (
            OK + b"Content-Length: 2\r\n\r\n[]",
            ["clear", "--yes"],
            "does not answer with a JSON object",
        ),
        (
            OK + b"Content-Length: 0\r\n\r\n",
            ["import", "all.jsonl"],
            "does not answer with a JSON object",
        ),
        (
            OK + b"Content-Length: 2\r\n\r\n{}",
            ["import", "all.jsonl"],
            "does not say what it imported",
        ),
        (OK + b"Content-Length: 9\r\n\r\n{}", ["export", "x"], "ended while it exported"),
    ],
)
def test_a_server_that_answers_strangely_is_told_from_one_that_is_not_there(
    tmp_path: Path, answer: bytes, arguments: list[str], complaint: str
) -> None:
    (tmp_path / "all.jsonl").write_text('{"kind": "flask_boiler export", "format": 1}\n')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        hanging_up = threading.Thread(target=hang_up_on_all, args=(listening, answer))
        hanging_up.start()
        said = run(*arguments, "--host", host, status=1)
        listening.shutdown(socket.SHUT_RDWR)
    hanging_up.join()
    assert f"Error: {host}" in said or f"Error: the program at {host}" in said
    assert complaint in said
    assert "\x00" not in said
    assert not (tmp_path / "x").exists()


@pytest.mark.long
def test_an_empty_name_is_not_taken_for_the_applications_own() -> None:
    with EmbeddedFirestore() as server:
        put(server.host, "cities/SF")
        for option in ("--project", "--database"):
            said = run("clear", "--yes", f"{option}=", "--host", server.host, status=2)
            assert f"{option} is empty" in said
        assert ids(server.host) == ["SF"]


def test_googles_emulator_is_cleared_and_does_not_export(google_installation: Installation) -> None:
    with FirestoreProcess(google_installation) as emulator:
        put(emulator.host, "cities/SF")
        said = run("export", "x", "--host", emulator.host, status=1)
        assert "it is not the embedded Firestore" in said
        said = run("clear", "--yes", "--host", emulator.host)
        assert said.startswith(
            f"{emulator.host} has deleted all documents of projects/{PROJECT}/databases/"
        )
        assert ids(emulator.host) == []
