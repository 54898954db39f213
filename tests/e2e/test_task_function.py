"""Tasks through functions-framework, in a process of its own: twice, shuffled, at once."""

from __future__ import annotations

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flask_boiler import Boiler
from flask_boiler.testing import Settle
from tests.firestore import task_events
from tests.firestore.ledgers import Transfer, account, open_accounts, order, transfers

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60.0
TASKS = 30


@contextmanager
def served(environment: dict[str, str]) -> Iterator[str]:
    """The address of the running function."""
    program = "import sys; from functions_framework._cli import _cli; sys.exit(_cli())"
    source = str(ROOT / "tests" / "e2e" / "transfer_function.py")
    with subprocess.Popen(
        [
            *(sys.executable, "-c", program, "--target", "on_transfer", "--source", source),
            *("--host", "127.0.0.1", "--port", "0"),
        ],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # The server has workers of its own, which are to end with it.
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = next((line for line in process.stderr if "Listening at" in line), "")
            found = re.search(r"http://[\d.:]+", said)
            assert found is not None, "the function did not start"
            # Nobody else reads what it goes on to say.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield found.group()
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT_S)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def post(address: str, event: tuple[dict[str, str], bytes]) -> int:
    headers, body = event
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def function(boiler: Boiler) -> Iterator[str]:
    config = boiler.context.config
    environment = {
        **os.environ,
        "BOILER_PROJECT": str(config.project),
        "BOILER_EMULATOR_HOST": str(config.emulator_host),
        "GUNICORN_LOG_LEVEL": "info",
        "PYTHONPATH": str(ROOT),
    }
    with served(environment) as address:
        yield address


def test_events_twice_and_shuffled_leave_what_listening_leaves(
    boiler: Boiler, function: str, settle: Settle
) -> None:
    rng = random.Random(6)
    people = ["ada", "ben", "cy", "di"]

    orders = random.Random(7)
    pairs = [orders.sample(people, 2) for _ in range(TASKS)]
    amounts = [orders.randint(1, 9) for _ in range(TASKS)]
    source_of = {f"t{number}": source for number, (source, _) in enumerate(pairs)}

    def prepare() -> list[str]:
        open_accounts(**dict.fromkeys(people, 1_000))
        return [
            order(f"t{number}", source, target, amounts[number]).doc_path
            for number, (source, target) in enumerate(pairs)
        ]

    def outcome() -> dict[str, tuple[int, dict[str, list[str]]]]:
        """Each balance, and the tasks of each key in the order in which they were booked."""
        assert list(Transfer.all()) == []
        found = {name: account(name) for name in people}
        return {
            name: (
                booked.balance,
                {key: [t for t in booked.history if source_of[t] == key] for key in people},
            )
            for name, booked in found.items()
        }

    paths = prepare() * 2
    rng.shuffle(paths)
    encodings = [task_events.protobuf_event, task_events.json_event, task_events.structured_event]
    events = [rng.choice(encodings)(boiler.context, path) for path in paths]
    with ThreadPoolExecutor(4) as deliverers:
        answers = Counter(deliverers.map(lambda event: post(function, event), events))
    assert answers == {200: 2 * TASKS}
    by_events = outcome()
    assert sum(balance for balance, _ in by_events.values()) == 4_000
    for name, (_, booked) in by_events.items():
        # A source's own book has all tasks of its key: in the order of their creation.
        assert booked[name] == [task for task, source in source_of.items() if source == name]

    prepare()
    boiler.add(transfers(key="source"))
    with boiler:
        settle()
    assert outcome() == by_events


def test_the_function_answers_what_deliverers_expect(boiler: Boiler, function: str) -> None:
    open_accounts(ada=1, ben=0)
    order("poison", "ada", "ben", 5)
    order("later", "ada", "ben", 1)
    headers, body = task_events.protobuf_event(boiler.context, "transfers/poison")
    assert post(function, (headers, body)) == 422
    later = task_events.protobuf_event(boiler.context, "transfers/later")
    assert post(function, later) == 503
    assert post(function, (headers, b"\xff\xff")) == 400
    boiler.add(transfers(key="source"))
    assert [parked.key.subject for parked in boiler.parked] == ["transfers/poison"]
