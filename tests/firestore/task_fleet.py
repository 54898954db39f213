"""Worker processes that are killed at named points, and begun again until all work is done.

Run as a program of its own: a process that forks must not have used gRPC before.

    python -m tests.firestore.task_fleet HOST PROJECT '{"kills": {"before:commit": 2}, "seed": 1,
        "workers": 4, "listeners": 2, "mark": "delete", "key": "source"}'

The queue is one of tasks, or, with a mark that begins with ``patch``, one of patches.

Some of the workers listen to the queue; the others are handed every task twice and shuffled, as
an unreliable deliverer does. Prints, as JSON, how often it killed at which point, and what the
survivors did.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    Config,
    DocumentMediator,
    DomainModel,
    Mutation,
    Patches,
    QueryTaskMediator,
    Snapshot,
    Store,
    Transaction,
    ViewModel,
    attrs,
    root,
)
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.values import CommitResult, Write
from flask_boiler.view.inbox.marks import MarkOption
from tests.forks import forked

_RPCS = ("begin", "run_query", "get", "commit", "listen")
#: Where a worker can be killed.
POINTS = [f"{when}:{rpc}" for rpc in _RPCS for when in ("before", "after")]
#: Whoever is to die does so after so many tasks at most, so that enough are left for the others.
_MOST_PASSES = 4
_LOST = 0.05


class Purse(DomainModel):
    """The sum of all is kept."""

    amount: Attr[int]
    moves: Attr[int]
    #: The tasks that took from it, in the order in which they did.
    paid: Attr[list[str]]

    class Meta:
        collection_name = "purses"


class Effect(DomainModel):
    """How often a task had its effect."""

    count: Attr[int]

    class Meta:
        collection_name = "effects"


class PurseStore(Store):
    purse = root(Purse)


class PurseView(ViewModel):
    """What patches change; they say to which purse an amount is moved from this one."""

    store: PurseStore
    move: Attr[str] = attrs.bproperty(export_enabled=False)
    to: Attr[str] = attrs.bproperty(export_enabled=False)
    amount: Attr[int] = attrs.bproperty(export_enabled=False)


class PurseMutation(Mutation[PurseView]):
    max_attempts = 100

    @classmethod
    def mutate_patch(cls, doc_id: str, data: Mapping[str, Any]) -> PurseView:
        pay(data["move"], doc_id, data["to"], data["amount"])
        return PurseView.get(doc_id)


class Move(DomainModel):
    """A task: move an amount from one purse to another."""

    source: Attr[str]
    target: Attr[str]
    amount: Attr[int]
    state: Attr[str]

    class Meta:
        collection_name = "moves"


def move(task: Move, transaction: Transaction) -> None:
    pay(task.doc_id, task.source, task.target, task.amount)


def pay(name: str, source_id: str, target_id: str, paid: int) -> None:
    effect = Effect.get(name) or Effect.new(doc_id=name, count=0)
    effect.count += 1
    effect.save()
    source, target = Purse.get_or_raise(source_id), Purse.get_or_raise(target_id)
    for purse, amount in ((source, -paid), (target, paid)):
        purse.amount += amount
        purse.moves += 1
        if purse is source:
            purse.paid = [*purse.paid, name]
        purse.save()


def moves(mark: str = "delete", key: str | None = None) -> QueryTaskMediator | DocumentMediator:
    if mark in PATCHES:
        return DocumentMediator(mutation_cls=PurseMutation, patches=PATCHES[mark])
    query, option = MARKS[mark]
    return QueryTaskMediator(query=query(), on_task=move, mark=option, key=key, max_retries=100)


#: Ways to mark tasks, and the queries that find those that are not.
MARKS: dict[str, tuple[Callable[[], Any], MarkOption]] = {
    "delete": (Move.get_query, "delete"),
    "field": (lambda: Move.where(state="open"), {"state": "done"}),
    "ledger": (Move.get_query, "ledger"),
}
#: Ways to mark patches; their key is the purse that they take from.
PATCHES = {
    "patch": Patches("moves"),
    "pending patch": Patches("moves", pending="open"),
    "deleted patch": Patches("moves", mark="delete"),
}


def prepare(tasks: int, *, purses: int, rng: random.Random, mark: str = "delete") -> None:
    """Purses of 100, and moves between them; some created at one time, and not by their paths."""
    names = [f"p{number}" for number in range(purses)]
    store(
        {f"purses/{n}": Purse.new(doc_id=n, amount=100, moves=0, paid=[]).to_dict() for n in names},
        at_once=400,
    )
    documents = {}
    for number in rng.sample(range(tasks), tasks):
        source, target = rng.sample(names, 2)
        name, amount = f"m{number}", rng.randint(1, 9)
        task = Move.new(doc_id=name, source=source, target=target, amount=amount, state="open")
        fields = task.to_dict()
        if mark in PATCHES:
            fields = {"target_purse_id": source, "to": target, "amount": amount, "move": name}
            if PATCHES[mark].pending is not None:
                fields["open"] = True
        documents[task.doc_path] = fields
    store(documents, at_once=max(8, tasks // 40))


def store(documents: Mapping[str, Any], *, at_once: int) -> None:
    items = list(documents.items())
    for start in range(0, len(items), at_once):
        writes = [Write("set", path, fields) for path, fields in items[start : start + at_once]]
        CTX.datastore.commit(writes)


class Faults:
    """Kills this process at one point, and now and then loses a commit or its answer.

    :param point: where to die, at which passing of it; ``None`` lives on.
    """

    def __init__(self, point: tuple[str, int] | None, rng: random.Random) -> None:
        self._point, self._left = point or ("", 0)
        self._rng = rng

    def at(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        for rpc in ("begin", "get", "listen"):
            self._wrap(rpc)
        store: Any = FirestoreDatastore
        real_query, real_commit = store.run_query, store.commit

        def run_query(datastore: Any, *args: Any, **kwargs: Any) -> Iterator[Snapshot]:
            self.at("before:run_query")
            yield from real_query(datastore, *args, **kwargs)
            self.at("after:run_query")

        def commit(datastore: Any, writes: Sequence[Write], **kwargs: Any) -> CommitResult:
            self.at("before:commit")
            # What settle() writes to find out whether all is done is not what this is about.
            spared = writes[0].path.startswith("_boiler_canaries/")
            lost = 0.5 if spared else self._rng.random()
            if lost < _LOST:
                raise UnavailableError("the request was lost", outcome_unknown=True)
            result: CommitResult = real_commit(datastore, writes, **kwargs)
            self.at("after:commit")
            if lost > 1 - _LOST:
                raise UnavailableError("the answer was lost", outcome_unknown=True)
            return result

        store.run_query, store.commit = run_query, commit

    def _wrap(self, rpc: str) -> None:
        real = getattr(FirestoreDatastore, rpc)

        def call(datastore: Any, *args: Any, **kwargs: Any) -> Any:
            self.at(f"before:{rpc}")
            answer = real(datastore, *args, **kwargs)
            self.at(f"after:{rpc}")
            return answer

        setattr(FirestoreDatastore, rpc, call)


def listen(boiler: Boiler, mediator: QueryTaskMediator | DocumentMediator) -> None:
    """Work the queue off by listening to it."""
    boiler.add(mediator)
    with boiler:
        boiler.settle(timeout_s=1_800)


def deliver(mediator: QueryTaskMediator | DocumentMediator, rng: random.Random) -> None:
    """Apply what is there now, done or not, each twice and in any order."""
    paths = [task.doc_path for task in Move.all()] * 2
    rng.shuffle(paths)
    while paths:
        try:
            mediator.apply(paths[-1])
        except UnavailableError:
            continue
        paths.pop()


class Fleet:
    """Workers by process id, each with its role and the point that it is to die at.

    :param kills: how many workers die at which points; none of them, and no commit is lost.
    :param listeners: how many of the workers listen.
    :param mark: as in ``MARKS`` or ``PATCHES``.
    """

    def __init__(
        self,
        config: Config,
        *,
        kills: dict[str, int],
        seed: int,
        workers: int,
        listeners: int,
        mark: str,
        key: str | None,
    ) -> None:
        self._config = config
        self._mediator = moves(mark, key)
        # Whoever listens to all of a queue asks for nothing once it has begun.
        self._asks_seldom = mark in PATCHES
        self._faulty = bool(kills)
        self._reports, self._report_to = os.pipe()
        self._rng = random.Random(seed)
        self._plan = [
            (point, self._rng.randint(1, _MOST_PASSES if "listen" not in point else 1))
            for point in Counter(kills).elements()
        ]
        self._rng.shuffle(self._plan)
        self._roles = [number < listeners for number in range(workers)]
        self._workers: dict[int, tuple[bool, tuple[str, int] | None]] = {}

    def run(self) -> dict[str, Any]:
        """How many were killed where, and what those who survived did."""
        killed: Counter[str] = Counter()
        for listens in self._roles:
            self._fork_doomed(listens)
        while self._workers:
            listens, point = self._wait()
            if point is not None:
                killed[point[0]] += 1
                self._fork_doomed(listens)
        # Those that are to die at some point leave most of the work, as they die soon.
        for listens in self._roles:
            self._fork(listens, None)
        while self._workers:
            self._wait()
        os.close(self._report_to)
        with os.fdopen(self._reports) as reports:
            done = [json.loads(line) for line in reports]
        return {"killed": killed, "reports": done}

    def _wait(self) -> tuple[bool, tuple[str, int] | None]:
        pid, status = os.wait()
        listens, point = self._workers.pop(pid)
        ending = os.waitstatus_to_exitcode(status)
        if ending != (0 if point is None else -signal.SIGKILL):
            raise SystemExit(f"a worker that was to die at {point} ended with {ending}")
        return listens, point

    def _fork_doomed(self, listens: bool) -> None:
        for point in self._plan:
            # Who is handed tasks does not listen.
            in_vain = (
                "run_query" in point[0] and self._asks_seldom if listens else "listen" in point[0]
            )
            if not in_vain:
                self._plan.remove(point)
                self._fork(listens, point)
                return

    def _fork(self, listens: bool, point: tuple[str, int] | None) -> None:
        rng = random.Random(self._rng.random())
        pid = forked(lambda: self._work(listens, point, rng))
        self._workers[pid] = listens, point

    def _work(self, listens: bool, point: tuple[str, int] | None, rng: random.Random) -> None:
        if self._faulty:
            Faults(point, rng).install()
        boiler, mediator = Boiler(config=self._config), self._mediator
        with boiler.context.activated():
            if listens:
                listen(boiler, mediator)
            else:
                deliver(mediator, rng)
        done = mediator.statistics
        report = json.dumps({"attempts": done.attempts, "done": done.done})
        os.write(self._report_to, f"{report}\n".encode())


def main(host: str, project: str, options: str) -> None:
    config = Config(testing=True, project=project, emulator_host=host)
    print(json.dumps(Fleet(config, **json.loads(options)).run()))


if __name__ == "__main__":
    main(*sys.argv[1:])
