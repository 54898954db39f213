"""The world of the random histories: accounts, holders, a bank, guests, and views of them.

Transfers keep the sum of all balances, so the bank's view, which reads every account, shows
at once whether a published value ever mixed two times. Guests have seats, where a view of one of
two classes is kept: whoever changes seats, or from staff to visitor, has views exchange places.
"""

from __future__ import annotations

from flask_boiler import Attr, DomainModel, QueryMediator, Store, ViewModel, attrs, reference

ACCOUNTS = tuple(f"a{n}" for n in range(5))
HOLDERS = tuple(f"h{n}" for n in range(3))
MEMOS = tuple(f"m{n}" for n in range(3))
GUESTS = tuple(f"g{n}" for n in range(4))
SEATS = tuple(f"s{n}" for n in range(5))
OPENING_BALANCE = 100


class Account(DomainModel):
    balance: Attr[int]

    class Meta:
        collection_name = "accounts"


class Bank(DomainModel):
    accounts = attrs.relation(Account, many=True)

    class Meta:
        collection_name = "banks"


class Holder(DomainModel):
    label: Attr[str]
    accounts = attrs.relation(Account, many=True, nested=True)
    friend = attrs.bproperty()

    class Meta:
        collection_name = "holders"


class Memo(DomainModel):
    holder = attrs.bproperty()

    class Meta:
        collection_name = "memos"


class Guest(DomainModel):
    seat: Attr[str]
    staff: Attr[bool]

    class Meta:
        collection_name = "guests"


class BankStore(Store):
    bank = reference(Bank)
    accounts = reference(Account, many=True, source=lambda store: store.bank.accounts)


class BankView(ViewModel):
    store: BankStore

    class Meta:
        path = "bankViews/{bank.doc_id}"

    @attrs.computed
    def total(self) -> int:
        return sum(account.balance for account in self.store.accounts.values())


class HolderStore(Store):
    holder = reference(Holder)
    accounts = reference(Account, many=True, source=lambda store: store.holder.accounts)
    friend = reference(Holder, source=lambda store: store.holder.friend)
    friends_accounts = reference(
        Account, many=True, source=lambda store: store.friend and store.friend.accounts
    )
    memos = reference(Memo, many=True, source=lambda store: Memo.where(holder=store.holder.doc_id))


class HolderView(ViewModel):
    store: HolderStore

    class Meta:
        path = "holderViews/{holder.doc_id}"

    @attrs.computed
    def label(self) -> str:
        return self.store.holder.label  # type: ignore[union-attr]

    @attrs.computed
    def balances(self) -> dict[str, int]:
        return {key: account.balance for key, account in self.store.accounts.items()}

    @attrs.computed
    def richest(self) -> int | None:
        accounts = self.store.holder.accounts  # type: ignore[union-attr]
        return max((account.balance for account in accounts), default=None)

    @attrs.computed
    def friend(self) -> str:
        friend = self.store.friend
        if friend is None:
            return "nobody"
        total = sum(account.balance for account in self.store.friends_accounts.values())
        return f"{friend.label} has {total}"

    @attrs.computed
    def memos(self) -> list[str]:
        return sorted(self.store.memos)


class GuestStore(Store):
    guest = reference(Guest)


class Badge(ViewModel):
    """The badge of a guest, if it is one for such a guest."""

    store: GuestStore
    for_staff = False

    class Meta:
        abstract = True

    @attrs.computed
    def who(self) -> str:
        return self.store.guest.doc_id  # type: ignore[union-attr]

    @property
    def doc_refs(self) -> list[str]:
        guest = self.store.guest
        assert guest is not None
        return [f"badges/{guest.seat}"] if guest.staff is self.for_staff else []


class StaffBadge(Badge):
    for_staff = True


class VisitorBadge(Badge):
    pass


def mediators() -> list[QueryMediator]:
    return [
        QueryMediator(BankView, query=Bank.get_query()),
        QueryMediator(HolderView, query=Holder.get_query()),
        QueryMediator(StaffBadge, query=Guest.get_query()),
        QueryMediator(VisitorBadge, query=Guest.get_query()),
    ]
