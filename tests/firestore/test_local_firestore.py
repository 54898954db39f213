"""Which local Firestore is started for a configuration, who shares it, and when it ends."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flask_boiler import ApplicationContext, Config, start_local_firestore
from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import ConfigurationError
from flask_boiler.local.attached import AttachedFirestore, refusal_of
from flask_boiler.local.embedded_program import EmbeddedProgram
from flask_boiler.local.google.launcher import FirestoreProcess
from tests.ports import ClosedPort

EMBEDDED = Config(testing=True)


@pytest.fixture(autouse=True)
def no_other_firestore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)


def written_at(host: str, n: int) -> None:
    client = local_client(host, project="demo", database="(default)")
    client.document("a/b").set({"n": n})
    close_client(client)


def read_at(host: str) -> Any:
    client = local_client(host, project="demo", database="(default)")
    found = client.document("a/b").get()
    close_client(client)
    return found


def test_those_who_ask_for_the_same_share_it_until_the_last_of_them_ends(tmp_path: Path) -> None:
    # Other tests of this process share one without a file.
    config = EMBEDDED.but(firestore_file=str(tmp_path / "data.db"))
    first, second = start_local_firestore(config), start_local_firestore(config)
    assert first.host == second.host
    assert first.owned
    written_at(first.host, 1)
    first.stop()
    first.stop()
    assert read_at(second.host).get("n") == 1
    second.stop()
    assert refusal_of(second.host) is not None
    with start_local_firestore(config) as third:
        assert read_at(third.host).get("n") == 1


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_a_proxy_of_the_environment_is_not_asked_for_what_is_on_this_machine(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ClosedPort() as nobody, start_local_firestore(EMBEDDED) as local:
        monkeypatch.setenv(variable, f"http://{nobody}")
        written_at(local.host, 3)
        assert read_at(local.host).get("n") == 3


def test_two_contexts_without_configuration_see_the_same_documents() -> None:
    one, other = ApplicationContext(Config()), ApplicationContext(Config())
    one.db.document("a/b").set({"n": 1})
    assert other.db.document("a/b").get().get("n") == 1
    one.close()
    other.db.document("a/b").update({"n": 2})
    assert other.db.document("a/b").get().get("n") == 2
    other.close()


def test_one_with_a_file_keeps_its_data(tmp_path: Path) -> None:
    config = EMBEDDED.but(firestore_file=str(tmp_path / "data.db"))
    with start_local_firestore(config) as local, start_local_firestore(EMBEDDED) as other:
        assert local.host != other.host
        written_at(local.host, 1)
    with start_local_firestore(config) as local:
        assert read_at(local.host).get("n") == 1


def test_one_in_a_process_of_its_own_survives_being_killed(tmp_path: Path) -> None:
    with FirestoreProcess(EmbeddedProgram(str(tmp_path / "data.db"))) as process:
        assert process.pid not in (None, os.getpid())
        host = process.host
        for n in range(3):
            written_at(host, n)
            process.kill()
            assert refusal_of(host) is not None
            process.restart()
            assert process.host == host
            assert read_at(host).get("n") == n


def test_the_file_of_a_process_of_its_own_is_where_its_starter_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = EmbeddedProgram("data.db").command(address="127.0.0.1", port=0)
    assert str(tmp_path / "data.db") in command


def test_a_process_of_its_own_is_had_by_configuration() -> None:
    with start_local_firestore(EMBEDDED.but(firestore_own_process=True)) as local:
        written_at(local.host, 1)
        assert read_at(local.host).get("n") == 1


@pytest.mark.parametrize("own_process", [False, True])
def test_browsers_ask_it_by_the_names_that_are_configured(own_process: bool) -> None:
    config = EMBEDDED.but(
        firestore_own_process=own_process, firestore_trusted_hosts="firestore, .dev.example"
    )
    names = {"firestore:80": 200, "a.dev.example": 200, "localhost": 200, "evil.example": 403}
    with start_local_firestore(config) as local:
        for name, status in names.items():
            asking = http.client.HTTPConnection(local.host, timeout=60)
            asking.request("GET", "/", headers={"Host": name})
            assert asking.getresponse().status == status
            asking.close()


def test_its_port_can_be_chosen_and_one_that_is_taken_is_named(tmp_path: Path) -> None:
    config = EMBEDDED.but(firestore_file=str(tmp_path / "data.db"))
    with start_local_firestore(config) as local:
        port = int(local.host.partition(":")[2])
        with pytest.raises(ConfigurationError, match=f"cannot listen at 127.0.0.1:{port}"):
            start_local_firestore(EMBEDDED.but(firestore_port=port))
    with start_local_firestore(EMBEDDED.but(firestore_port=port)) as local:
        assert local.host == f"127.0.0.1:{port}"


@pytest.mark.parametrize("own_process", [False, True])
def test_a_file_that_another_process_serves_is_used_there(
    own_process: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = str(tmp_path / "data.db")
    config = EMBEDDED.but(firestore_file=file, firestore_own_process=own_process)
    with FirestoreProcess(EmbeddedProgram(file)) as first:
        with start_local_firestore(config) as second:
            assert second.host == first.host
            written_at(second.host, 4)
        assert read_at(first.host).get("n") == 4
    assert f"another process serves {file} at {first.host}" in caplog.text
    with start_local_firestore(config) as third:
        assert read_at(third.host).get("n") == 4


def test_a_file_that_is_served_in_this_process_is_used_there(tmp_path: Path) -> None:
    file = tmp_path / "data.db"
    with (
        EmbeddedFirestore(file) as first,
        start_local_firestore(EMBEDDED.but(firestore_file=str(file))) as second,
    ):
        assert second.host == first.host


def test_in_production_a_file_that_another_process_has_is_named_with_what_to_do(
    tmp_path: Path,
) -> None:
    file = str(tmp_path / "data.db")
    with FirestoreProcess(EmbeddedProgram(file)) as first:
        with pytest.raises(ConfigurationError) as caught:
            start_local_firestore(Config(runtime="production", firestore_file=file))
        assert f"another process has it open: process {first.pid}" in str(caught.value)
        assert f"FIRESTORE_EMULATOR_HOST={first.host}" in str(caught.value)
        assert "flask boiler firestore start" in str(caught.value)


def test_of_several_processes_that_begin_at_once_one_serves_the_file(tmp_path: Path) -> None:
    program = """
import sys
from flask_boiler import Config
from flask_boiler import ApplicationContext

context = ApplicationContext(Config(app_name="race", firestore_file="data.db"))
own = context.db.collection("racers").document(sys.argv[1])
own.set({"here": True})
print("written", flush=True)
sys.stdin.readline()
print(len(list(context.db.collection("racers").stream())), flush=True)
sys.stdin.readline()
"""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    try:
        assert [line_of(racer) for racer in racers] == ["written\n"] * 3
        for racer in racers:
            told(racer)
        # Nobody goes before all have read: one of them is the server.
        assert [line_of(racer) for racer in racers] == ["3\n"] * 3
    finally:
        for racer in racers:
            racer.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def told(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.usefixtures("google_installation")
def test_googles_emulator_is_had_by_configuration() -> None:
    with start_local_firestore(EMBEDDED.but(firestore="google-emulator")) as local:
        written_at(local.host, 1)
        with start_local_firestore(EMBEDDED) as other:
            assert other.host != local.host


def test_one_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with start_local_firestore(EMBEDDED) as local:
        configured = start_local_firestore(EMBEDDED.but(emulator_host=local.host))
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", local.host)
        named = start_local_firestore(EMBEDDED)
        for found in (configured, named):
            assert isinstance(found, AttachedFirestore)
            assert (found.host, found.owned) == (local.host, False)
            found.stop()
        assert refusal_of(local.host) is None


def test_the_cloud_is_no_local_one() -> None:
    with pytest.raises(ConfigurationError, match="asks for Google's own Firestore"):
        start_local_firestore(Config(firestore="cloud"))


@pytest.mark.parametrize("own_process", [False, True])
def test_a_program_that_forgets_it_leaves_nothing(own_process: bool) -> None:
    program = (
        "import sys\n"
        "from flask_boiler import Config\n"
        "from flask_boiler import start_local_firestore\n"
        f"local = start_local_firestore(Config(firestore_own_process={own_process}))\n"
        "print(local.host)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE, timeout=60
    )
    assert refusal_of(done.stdout.strip()) is not None


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_is_and_that_it_checks_no_rules(ending: signal.Signals) -> None:
    command = EmbeddedProgram().command(address="127.0.0.1", port=0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "data in memory" in process.stdout.readline()
        assert "checks no security rules" in process.stdout.readline()
        host = process.stdout.readline().strip().rpartition("=")[2]
        assert refusal_of(host) is None
        process.send_signal(ending)
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0


def test_the_program_refuses_other_machines_unless_it_is_told_otherwise() -> None:
    command = EmbeddedProgram().command(address="0.0.0.0", port=0)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "checks no security rules, so it does not listen at 0.0.0.0" in done.stderr
    assert "Traceback" not in done.stderr
