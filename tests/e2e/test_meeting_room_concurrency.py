"""Many who change one meeting at once, through several processes: nobody's change is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest

from examples.meeting_room.models import Meeting, Ticket, User
from examples.meeting_room.story import save_a_meeting
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore

ROOT = Path(__file__).resolve().parents[2]
MANY = 50
#: For a machine that is busy with something else; nothing is measured by it.
PATIENCE_S = 240.0


@pytest.fixture
def environment(firestore_emulator: LocalFirestore) -> dict[str, str]:
    return {
        **os.environ,
        "BOILER_PROJECT": f"rush-{uuid.uuid4().hex[:12]}",
        "BOILER_EMULATOR_HOST": firestore_emulator.host,
    }


@pytest.fixture
def boiler(environment: dict[str, str]) -> Iterator[Boiler]:
    """The database that the servers use, with the meeting and everybody who wants to come."""
    project, host = environment["BOILER_PROJECT"], environment["BOILER_EMULATOR_HOST"]
    boiler = Boiler(config=Config(testing=True, project=project, emulator_host=host))
    try:
        with boiler.context.activated():
            save_a_meeting()
            batch = CTX.db.batch()
            for uid in newcomers():
                user = User.new(uid, first_name=uid, last_name="Newcomer")
                batch.set(CTX.db.document(user.doc_path), user.to_dict())
            batch.commit()
            yield boiler
    finally:
        boiler.close()


@pytest.fixture
def addresses(environment: dict[str, str], boiler: Boiler) -> Iterator[list[str]]:
    """Two servers, each a process of its own."""
    with ExitStack() as stack:
        servers = [stack.enter_context(server(environment)) for _ in range(2)]
        yield [address.readline().strip() for address in servers]


@contextmanager
def server(environment: dict[str, str]) -> Iterator[IO[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.served_meeting_room"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.kill()


def newcomers() -> list[str]:
    return [f"u{n:02}" for n in range(MANY)]


def patch(url: str, body: dict[str, str]) -> int:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="PATCH",
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.long
@pytest.mark.timeout(2 * PATIENCE_S)
def test_fifty_who_are_added_at_once_all_take_part(addresses: list[str]) -> None:
    together = threading.Barrier(MANY)

    def add(numbered: tuple[int, str]) -> int:
        n, uid = numbered
        together.wait(PATIENCE_S)
        address = addresses[n % len(addresses)]
        return patch(f"{address}/meeting_sessions/planning", {"addParticipant": uid})

    with ThreadPoolExecutor(MANY) as pool:
        statuses = Counter(pool.map(add, enumerate(newcomers())))
    assert statuses == {200: MANY}

    meeting = Meeting.get_or_raise("planning")
    everybody = sorted(["ada", "bob", *newcomers()])
    assert sorted(user.id for user in meeting.users) == everybody
    assert sorted(meeting.tickets) == everybody
    tickets = {ticket.doc_path: ticket for ticket in Ticket.all()}
    assert len(tickets) == MANY + 2
    holders = {uid: tickets[reference.path].user for uid, reference in meeting.tickets.items()}
    assert {uid: holder and holder.id for uid, holder in holders.items()} == {
        uid: uid for uid in everybody
    }
