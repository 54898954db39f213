"""Several web processes, each with clients of its own, without and with a message queue."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from flask_boiler import ApplicationContext, Config
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.operate.testing.plugin import skip_unless_required
from tests.e2e.boards_app import SharedBoard
from tests.e2e.holding import Holder
from tests.e2e.sockets import TIMEOUT_S, RawClient
from tests.ports import free_port

PROCESSES = 3
WRITES = 5
NAMESPACE = "/boards"


@contextmanager
def running(command: list[str], ready: str, **environment: str) -> Iterator[str]:
    """A process, from when it says that it is ready; what the pattern found then."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(ready, line):
                break
        else:
            raise AssertionError("".join(said))
        yield found[0]
    finally:
        process.terminate()
        try:
            process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(params=["no queue", pytest.param("redis", marks=pytest.mark.long)])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "no queue":
        yield ""
        return
    program = shutil.which("redis-server")
    if program is None:
        skip_unless_required("there is no redis-server; on Debian: apt-get install redis-server")
    with redis_at_a_free_port(program, tmp_path) as port:
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def redis_at_a_free_port(program: str, folder: Path) -> Iterator[int]:
    """Flask-SocketIO speaks to Redis over TCP alone, and Redis takes no port by itself."""
    for attempt in range(5):
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with ExitStack() as stack:
            try:
                stack.enter_context(running([program, *options], "eady to accept connections"))
            except AssertionError:
                # Somebody was faster.
                if attempt == 4:
                    raise
                continue
            yield port
            return


@pytest.fixture
def project(firestore_emulator: LocalFirestore) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:20]}"
    config = Config(testing=True, project=name, emulator_host=firestore_emulator.host)
    context = ApplicationContext(config)
    try:
        with context.activated():
            SharedBoard.new(doc_id="a").save()
            yield name
    finally:
        context.close()


@pytest.fixture
def addresses(firestore_emulator: LocalFirestore, project: str, queue: str) -> Iterator[list[str]]:
    """Where one-worker servers are that know nothing of each other."""
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "20"]
    command += ["-b", "127.0.0.1:0", "--graceful-timeout", "1", "tests.e2e.boards_app:app"]
    environment = {
        "BOILER_PROJECT": project,
        "BOILER_EMULATOR_HOST": firestore_emulator.host,
        "MESSAGE_QUEUE": queue,
        "PYTHONUNBUFFERED": "1",
    }
    with ExitStack() as stack:
        found = [
            stack.enter_context(running(command, r"http://127\.0\.0\.1:\d+", **environment))
            for _ in range(PROCESSES)
        ]
        for address in found:
            # It listens before it has anybody who answers.
            say(address, "ready")
        yield found


def say(address: str, word: str) -> None:
    """Have a process say something to all clients of all processes."""
    with urllib.request.urlopen(f"{address}/say/{word}", timeout=TIMEOUT_S) as response:
        assert response.status == 200


def test_every_client_is_told_everything_once(addresses: list[str]) -> None:
    languages = ("python", "javascript", "python")
    with ExitStack() as stack:
        holders = [
            stack.enter_context(Holder.of(address, NAMESPACE, language, updates="json-patch"))
            for address, language in zip(addresses, languages, strict=True)
        ]
        for holder in holders:
            holder.await_count(0)
        board = SharedBoard.get_or_raise("a")
        for count in range(1, WRITES + 1):
            board.update(count=count)
            for holder in holders:
                holder.await_count(count)
        for holder in holders:
            assert holder.complaints == []
            assert [said["value"]["count"] for said in holder.told] == list(range(WRITES + 1))


@pytest.mark.long
def test_a_client_may_come_back_to_another_process(addresses: list[str], queue: str) -> None:
    board = SharedBoard.get_or_raise("a")
    held = 0
    for count in range(1, 2 * PROCESSES + 1):
        board.update(count=count)
        with RawClient(addresses[count % PROCESSES], NAMESPACE) as client:
            options = {"version": held} if held else {}
            answer = client.emit("subscribe_view_model", {"doc_id": "a"}, options)
            # Whichever process it is, and however far that has come: never back.
            assert answer["version"] > held or answer["updates"] == "none"
            while (answer["value"] or {}).get("count") != count:
                value, answer = client.updated()
                assert answer["version"] > held
                answer = {**answer, "value": value}
            held = answer["version"]
            say(addresses[0], f"hello{count}")
            if queue:
                # What the application says itself does go through the queue.
                assert client.receive('42/boards,["said",') == f'"hello{count}"]'
