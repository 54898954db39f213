"""The launcher, with Google's emulator and with programs that behave worse."""

import http.client
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flask_boiler.errors import ConfigurationError, LocalFirestoreNotFoundError
from flask_boiler.local.google.installation import Installation
from flask_boiler.local.google.launcher import FirestoreProcess, start_google_emulator
from tests.processes import is_gone


@pytest.fixture(autouse=True)
def no_other_firestore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)


@pytest.fixture
def programmed(tmp_path: Path) -> Callable[[str], Installation]:
    """An installation whose Java is a Python program: ``host`` and ``port`` are given to it."""

    def program(source: str) -> Installation:
        java = tmp_path / "java"
        java.write_text(
            f"#!{sys.executable}\n"
            "import sys, socket, http.server, pathlib\n"
            "host, port = sys.argv[-3], int(sys.argv[-1])\n"
            f"memory = pathlib.Path({str(tmp_path / 'memory')!r})\n"
            "def serve(answer):\n"
            "    class Handler(http.server.BaseHTTPRequestHandler):\n"
            "        def do_GET(self):\n"
            "            self.send_response(200)\n"
            "            self.end_headers()\n"
            "            self.wfile.write(answer)\n"
            "    server = http.server.HTTPServer((host, port), Handler)\n"
            "    print(f'export FIRESTORE_EMULATOR_HOST={host}:{port}', flush=True)\n"
            "    server.serve_forever()\n"
            f"{source}\n"
        )
        java.chmod(0o755)
        return Installation(jar=tmp_path / "emulator.jar", java=java)

    return program


@contextmanager
def some_server(answer: bytes) -> Iterator[str]:
    """The ``HOST:PORT`` of a server that answers anything with these bytes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answer_of(host: str) -> bytes:
    with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read()


def is_listening(host: str) -> bool:
    address, _, port = host.partition(":")
    with socket.socket() as client:
        return client.connect_ex((address, int(port))) == 0


@pytest.mark.usefixtures("google_installation")
def test_google_emulator_starts_dies_comes_back_and_ends() -> None:
    with start_google_emulator(max_heap="128m") as local:
        assert isinstance(local, FirestoreProcess)
        host, first = local.host, local.pid
        assert first is not None
        assert local.owned
        assert host.startswith("127.0.0.1:")
        assert answer_of(host).strip() == b"Ok"
        assert "FIRESTORE_EMULATOR_HOST" not in os.environ

        local.kill()
        assert is_gone(first, timeout_s=0)
        assert not is_listening(host)

        local.restart()
        second = local.pid
        assert second not in (None, first)
        assert local.host == host
        assert answer_of(host).strip() == b"Ok"
    assert second is not None
    assert is_gone(second, timeout_s=0)
    assert not is_listening(host)


@pytest.mark.usefixtures("google_installation")
def test_google_emulator_ends_when_the_process_that_started_it_is_killed() -> None:
    program = (
        "from flask_boiler.local.google.launcher import start_google_emulator\n"
        "local = start_google_emulator(max_heap='128m')\n"
        "print(local.pid, local.host, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid, host = owner.stdout.readline().split()
        assert is_listening(host)
        owner.kill()
        assert is_gone(int(pid), timeout_s=30)
        assert not is_listening(host)


def test_a_normal_exit_ends_it_without_being_asked(
    programmed: Callable[[str], Installation],
) -> None:
    installation = programmed("serve(b'Ok')")
    program = (
        "import pathlib, sys\n"
        "from flask_boiler.local.google.launcher import FirestoreProcess\n"
        "from flask_boiler.local.google.installation import Installation\n"
        f"installation = Installation(*map(pathlib.Path, ('', {str(installation.java)!r})))\n"
        "local = FirestoreProcess(installation)\n"
        "local.start()\n"
        "print(local.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE
    )
    assert is_gone(int(done.stdout), timeout_s=0)


def test_a_firestore_of_somebody_else_is_used_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, programmed: Callable[[str], Installation]
) -> None:
    with FirestoreProcess(programmed("serve(b'Ok')")) as theirs:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", theirs.host)
        monkeypatch.setenv("PATH", "")
        with start_google_emulator() as ours:
            assert ours.host == theirs.host
            assert not ours.owned
        assert is_listening(theirs.host)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_boiler.local.attached._ATTACH_TIMEOUT_S", 0.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ("127.0.0.1:1", "refused"),
        ("127.0.0.1:http", "is not HOST:PORT"),
        ("a..b:1", "is not HOST:PORT"),
    ],
)
def test_a_named_firestore_that_does_not_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch, host: str, complaint: str
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    with pytest.raises(
        ConfigurationError, match=f"FIRESTORE_EMULATOR_HOST is '?{host}.*{complaint}"
    ):
        start_google_emulator()


@pytest.mark.usefixtures("impatient")
def test_a_named_firestore_that_is_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with some_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello") as host:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        with pytest.raises(ConfigurationError, match="another program answers there"):
            start_google_emulator()


def test_a_named_firestore_that_speaks_only_http2_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with some_server(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00") as host:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        assert start_google_emulator().host == host


BIND_FAILS = "print('java.net.BindException: Address already in use'); sys.exit(1)"


def test_a_port_that_was_taken_meanwhile_is_replaced(
    programmed: Callable[[str], Installation],
) -> None:
    installation = programmed(
        f"if not memory.exists(): memory.write_text(str(port)); {BIND_FAILS}\nserve(b'Ok')"
    )
    with FirestoreProcess(installation) as local:
        taken = (installation.java.parent / "memory").read_text()
        assert not local.host.endswith(f":{taken}")
        assert answer_of(local.host) == b"Ok"


def test_an_emulator_that_never_gets_a_port_is_given_up(
    programmed: Callable[[str], Installation],
) -> None:
    with pytest.raises(ConfigurationError, match=r"found its port taken 5 times, last 127\.0"):
        FirestoreProcess(programmed(BIND_FAILS)).start()


def test_another_emulator_that_was_quicker_is_not_taken_for_ours(
    programmed: Callable[[str], Installation],
) -> None:
    with some_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOk") as quicker:
        program = f"memory.open('a').write('tried '); {BIND_FAILS}"
        installation = programmed(program)
        ours = FirestoreProcess(installation, host=quicker)
        with pytest.raises(ConfigurationError, match=f"cannot listen at {quicker}: the port is t"):
            ours.start()
        # There is no other that would do.
        assert (installation.java.parent / "memory").read_text() == "tried "


def test_an_emulator_that_dies_shows_the_last_that_it_said(
    programmed: Callable[[str], Installation],
) -> None:
    installation = programmed("for n in range(99): print('line', n)\nsys.exit('out of memory')")
    with pytest.raises(ConfigurationError, match="ended with status 1") as raised:
        FirestoreProcess(installation).start()
    lines = str(raised.value).splitlines()
    assert lines[-2:] == ["  line 98", "  out of memory"]
    assert len(lines) == 21


def test_an_emulator_that_does_not_answer_in_time_is_ended(
    programmed: Callable[[str], Installation],
) -> None:
    installation = programmed("import os; memory.write_text(str(os.getpid())); serve(b'Not yet')")
    with pytest.raises(ConfigurationError, match=r"does not answer at .* within 1 s"):
        FirestoreProcess(installation, timeout_s=1.0).start()
    pid = int((installation.java.parent / "memory").read_text())
    assert is_gone(pid, timeout_s=0)


def test_nothing_to_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("JAVA_HOME", "CLOUDSDK_ROOT_DIR", "FIREBASE_EMULATORS_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LocalFirestoreNotFoundError, match="Do one of these"):
        start_google_emulator()


def test_one_that_was_not_started_has_no_host(programmed: Callable[[str], Installation]) -> None:
    local = FirestoreProcess(programmed(""))
    with pytest.raises(ConfigurationError, match=r"call start\(\) first"):
        assert local.host
    assert repr(local) == "FirestoreProcess(not started)"


def test_starting_twice_starts_one(programmed: Callable[[str], Installation]) -> None:
    with FirestoreProcess(programmed("serve(b'Ok')")) as local:
        pid = local.pid
        local.start()
        assert local.pid == pid
    local.stop()
    assert local.pid is None
