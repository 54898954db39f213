"""Views of members that read the root besides: what a change of the root computes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DomainModel,
    Query,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    each,
    param,
    reference,
    root,
)
from flask_boiler.testing import Settle

#: How often which getter was called.
CALLS: Counter[str] = Counter()


class Visitor(DomainModel):
    name: Attr[str]


class Lobby(DomainModel):
    title: Attr[str]
    visitors: Attr[list[str]]
    locked: Attr[bool] = attrs.bproperty(default=False)
    seen: Attr[int] = attrs.bproperty(default=0)


class LobbyStore(Store):
    lobby = root(Lobby)

    @each(Visitor)
    def visitor(self) -> list[str]:
        if self.lobby.locked:
            raise RuntimeError("nobody knows")
        return self.lobby.visitors

    @reference(Visitor)
    def host(self) -> str:
        return self.lobby.visitors[0]


class YearStore(LobbyStore):
    year = param(int)


class Invitation(ViewModel):
    """Reads both the root and the member, in one getter."""

    store: LobbyStore

    class Meta:
        path = "lobbies/{lobby.doc_id}/invitations/{visitor.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.visitor.name} to {self.store.lobby.title}"


class Badge(ViewModel):
    """Reads the member alone, and what all have in common."""

    store: LobbyStore

    class Meta:
        path = "lobbies/{lobby.doc_id}/badges/{visitor.doc_id}"

    @attrs.computed
    def name(self) -> str:
        name = self.store.visitor.name
        # Not counted is the attempt to compute it for all of them at once.
        CALLS["name"] += 1
        return name

    @attrs.computed
    def title(self) -> str:
        CALLS["title"] += 1
        return self.store.lobby.title


class ByCall(Invitation):
    """Reads the root by a call, and not through its slot."""

    class Meta:
        path = "calls/{lobby.doc_id}/of/{visitor.doc_id}"

    @attrs.computed
    def text(self) -> str:
        found = Lobby.get_or_raise("l")
        return f"{self.store.visitor.name} to {found.title}"


class ByReference(Invitation):
    """Reads the root by way of a reference that all have in common."""

    class Meta:
        path = "hosts/{lobby.doc_id}/of/{visitor.doc_id}"

    @attrs.computed
    def text(self) -> str:
        host = self.store.host
        return f"{self.store.visitor.name} by {host.name if host else None}"


class Yearly(ViewModel):
    store: YearStore

    class Meta:
        path = "yearly/{lobby.doc_id}/{year}/{visitor.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.visitor.name} to {self.store.lobby.title}, {self.store.year}"


def shown(path: str, field: str = "text") -> list[Any]:
    return [found.get(field) for found in CTX.db.collection(path).order_by("__name__").stream()]


@pytest.fixture
def lobby(boiler: Boiler) -> Iterator[Lobby]:
    for name in ("ann", "bob", "eve"):
        Visitor.new(doc_id=name, name=name.title()).save()
    lobby = Lobby.new(doc_id="l", title="Hall", visitors=["ann", "bob"])
    lobby.save()
    yield lobby


def every_lobby() -> Query[Lobby]:
    return Lobby.get_query()


def test_a_change_of_the_root_reaches_the_views_that_read_it(lobby: Lobby, settle: Settle) -> None:
    with QueryMediator(Invitation, query=every_lobby()):
        settle()
        lobby.update(title="Court")
        settle()
        assert shown("lobbies/l/invitations") == ["Ann to Court", "Bob to Court"]
        lobby.update(title="Yard", visitors=["bob", "eve"])
        settle()
        assert shown("lobbies/l/invitations") == ["Bob to Yard", "Eve to Yard"]


def test_and_no_view_that_does_not(lobby: Lobby, settle: Settle) -> None:
    with QueryMediator(Badge, query=every_lobby()):
        settle()
        CALLS.clear()
        lobby.update(seen=1)
        settle()
        assert CALLS["name"] == 0
        lobby.update(visitors=["ann", "bob", "eve"])
        settle()
        assert shown("lobbies/l/badges", "name") == ["Ann", "Bob", "Eve"]
        assert CALLS["name"] == 1
        CALLS.clear()
        lobby.update(title="Court")
        settle()
        assert shown("lobbies/l/badges", "title") == ["Court"] * 3
        assert CALLS["title"] == 1


@pytest.mark.parametrize("view_cls", [Invitation, ByCall])
def test_what_changed_while_nobody_knew_the_members_is_shown_after(
    view_cls: type[ViewModel], lobby: Lobby, boiler: Boiler, settle: Settle
) -> None:
    path = "lobbies/l/invitations" if view_cls is Invitation else "calls/l/of"
    with QueryMediator(view_cls, query=every_lobby()):
        settle()
        lobby.update(locked=True, title="Court")
        settle()
        assert shown(path) == ["Ann to Hall", "Bob to Hall"]
        assert [str(parked.error) for parked in boiler.parked] == [
            "LobbyStore.visitor: its source raised RuntimeError: nobody knows"
        ]
        lobby.update(locked=False)
        settle()
        assert shown(path) == ["Ann to Court", "Bob to Court"]
        assert boiler.parked == []


def test_a_reference_that_follows_from_the_root_is_followed(lobby: Lobby, settle: Settle) -> None:
    with QueryMediator(ByReference, query=every_lobby()):
        settle()
        assert shown("hosts/l/of") == ["Ann by Ann", "Bob by Ann"]
        lobby.update(visitors=["bob", "ann"])
        settle()
        assert shown("hosts/l/of") == ["Ann by Bob", "Bob by Bob"]
        Visitor.get_or_raise("bob").update(name="Rob")
        settle()
        assert shown("hosts/l/of") == ["Ann by Rob", "Rob by Rob"]


def test_so_it_is_for_each_of_several_values(lobby: Lobby, settle: Settle) -> None:
    query = {"lobby": every_lobby(), "year": [1, 2]}
    with QueryMediator(Yearly, query=query):
        settle()
        lobby.update(title="Court")
        settle()
        for year in (1, 2):
            assert shown(f"yearly/l/{year}") == [f"Ann to Court, {year}", f"Bob to Court, {year}"]


def test_a_root_that_goes_takes_the_views_along(lobby: Lobby, settle: Settle) -> None:
    with QueryMediator(Invitation, query=every_lobby()):
        settle()
        lobby.update(title="Court")
        settle()
        lobby.delete()
        settle()
        assert shown("lobbies/l/invitations") == []
