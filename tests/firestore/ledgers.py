"""A small bank for the task mediator's tests: accounts, and transfers as tasks."""

from __future__ import annotations

from typing import Any

from flask_boiler import Attr, DomainModel, QueryTaskMediator, Transaction, attrs
from flask_boiler.errors import RefusedError


class Account(DomainModel):
    balance: Attr[int]
    history: Attr[list[str]]

    class Meta:
        collection_name = "taskAccounts"


class Transfer(DomainModel):
    source: Attr[str]
    target: Attr[str]
    amount: Attr[int]
    #: Only of transfers that are marked, or were open.
    state = attrs.bproperty()

    class Meta:
        collection_name = "transfers"


def transfer(task: Transfer, transaction: Transaction) -> None:
    """Moves an amount, and enters it in both accounts' books."""
    source = Account.get_or_raise(task.source)
    target = Account.get_or_raise(task.target)
    if source.balance < task.amount:
        raise RefusedError(f"{task.source} has only {source.balance}")
    for account, amount in ((source, -task.amount), (target, task.amount)):
        account.balance += amount
        account.history = [*account.history, task.doc_id]
        account.save()


def open_accounts(**balances: int) -> None:
    for name, balance in balances.items():
        Account.new(doc_id=name, balance=balance, history=[]).save()


def order(doc_id: str, source: str, target: str, amount: int) -> Transfer:
    task = Transfer.new(doc_id=doc_id, source=source, target=target, amount=amount)
    task.save()
    return task


def transfers(**options: Any) -> QueryTaskMediator:
    # All tasks meet in few accounts, and on a busy machine one may lose many times.
    chosen = {"query": Transfer.get_query(), "max_retries": 100, **options}
    return QueryTaskMediator(on_task=transfer, name="transfers", **chosen)


def account(name: str) -> Account:
    return Account.get_or_raise(name)
