"""The steps of a random history, and how each is carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud.firestore import Increment
from hypothesis import strategies as st

from flask_boiler import CTX, Boiler, transaction
from flask_boiler.ground.values import Write
from tests.histories.bank import ACCOUNTS, GUESTS, HOLDERS, MEMOS, SEATS, Holder, Memo


@dataclass(frozen=True)
class World:
    """Where a history happens.

    :param disturbances: what can be done to the Listen stream here.
    """

    boiler: Boiler
    disturbances: Sequence[Callable[[], None]]


def commit(world: World, writes: Sequence[Write]) -> None:
    """One commit. Google's emulator answers CANCELLED now and then, and nobody knows what it did.

    Of documents that were read it can be told.
    """
    with transaction(context=world.boiler.context) as begun:
        begun.reader.documents([write.path for write in writes])
        for write in writes:
            begun.write(write)


@dataclass(frozen=True)
class Hold:
    """A holder is saved anew, with other accounts and another friend."""

    holder: str
    label: str
    accounts: tuple[str, ...]
    friend: str | None

    def run(self, world: World) -> None:
        friend = None if self.friend is None else CTX.db.document(f"holders/{self.friend}")
        Holder.new(
            doc_id=self.holder, label=self.label, accounts=list(self.accounts), friend=friend
        ).save()


@dataclass(frozen=True)
class Leave:
    """A holder is deleted."""

    holder: str

    def run(self, world: World) -> None:
        commit(world, [Write("delete", f"holders/{self.holder}")])


@dataclass(frozen=True)
class Transfer:
    """Money moves between two accounts, in one commit."""

    source: str
    target: str
    amount: int

    def run(self, world: World) -> None:
        moved = {self.source: -self.amount, self.target: self.amount}
        if self.source == self.target:
            return
        writes = [
            Write("update", f"accounts/{account}", {"balance": Increment(amount)}, ("balance",))
            for account, amount in moved.items()
        ]
        commit(world, writes)


@dataclass(frozen=True)
class Annotate:
    """A memo is put on a holder, or taken away."""

    memo: str
    holder: str | None

    def run(self, world: World) -> None:
        if self.holder is None:
            commit(world, [Write("delete", f"memos/{self.memo}")])
        else:
            Memo.new(doc_id=self.memo, holder=self.holder).save()


@dataclass(frozen=True)
class Reseat:
    """All guests change seats and sides, or leave, in one commit."""

    #: Of each guest, and who is staff; no seat is two guests', and who has none leaves.
    seats: tuple[str | None, ...]
    staff: tuple[bool, ...]

    def run(self, world: World) -> None:
        writes = []
        for guest, seat, staff in zip(GUESTS, self.seats, self.staff, strict=True):
            path = f"guests/{guest}"
            fields = {"obj_type": "Guest", "seat": seat, "staff": staff}
            writes.append(Write("set", path, fields) if seat else Write("delete", path))
        commit(world, writes)


@dataclass(frozen=True)
class Disturb:
    """The network fails, or the server does what it may do to a stream."""

    choice: int

    def run(self, world: World) -> None:
        world.disturbances[self.choice % len(world.disturbances)]()


@dataclass(frozen=True)
class Settle:
    """Nothing happens until everything is published."""

    def run(self, world: World) -> None:
        world.boiler.settle(timeout_s=60)


@dataclass(frozen=True)
class Restart:
    """The worker stops and starts again."""

    def run(self, world: World) -> None:
        world.boiler.stop()
        world.boiler.start()


Step = Hold | Leave | Transfer | Annotate | Reseat | Disturb | Settle | Restart

_accounts = st.sampled_from(ACCOUNTS)
_holders = st.sampled_from(HOLDERS)
_transfers = st.builds(Transfer, _accounts, _accounts, st.integers(1, 9))
_holds = st.builds(
    Hold,
    _holders,
    st.sampled_from(["x", "y"]),
    st.lists(_accounts, max_size=3, unique=True).map(tuple),
    st.one_of(st.none(), _holders),
)

_seats = st.tuples(
    st.permutations(SEATS), st.lists(st.booleans(), min_size=len(GUESTS), max_size=len(GUESTS))
).map(
    lambda drawn: tuple(
        seat if there else None for seat, there in zip(drawn[0], drawn[1], strict=False)
    )
)
_all_seats = st.permutations(SEATS).map(lambda seats: tuple(seats[: len(GUESTS)]))
_reseatings = st.builds(
    Reseat,
    st.one_of(_all_seats, _all_seats, _seats),
    st.tuples(*(st.booleans() for _ in GUESTS)),
)

histories: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        _transfers,
        _transfers,
        _transfers,
        _holds,
        _holds,
        st.builds(Leave, _holders),
        _reseatings,
        _reseatings,
        st.builds(Annotate, st.sampled_from(MEMOS), st.one_of(st.none(), _holders)),
        st.builds(Disturb, st.integers(0, 3)),
        st.builds(Settle),
        st.builds(Restart),
    ),
    min_size=1,
    max_size=12,
)


def views_stored(collection: str) -> dict[str, Any]:
    """The view documents as another client sees them."""
    return {s.id: s.to_dict() for s in CTX.db.collection(collection).stream()}
