"""Routes of views of every mixture of roots, parameters and members."""

# mypy: disable-error-code="index, operator, union-attr"

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask

from flask_boiler import attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, UnavailableError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Squad(DomainModel):
    name: Attr[str]
    fans: Attr[list[str]] = attrs.bproperty(default_factory=list)


class Fan(DomainModel):
    name: Attr[str]


class Part(NamedTuple):
    """A slot that a store may have, and what a request names by it.

    :param known: what its name in a rule may stand for; each of these has a view.
    """

    slot: str
    in_rule: str
    declared: Any
    known: tuple[str, ...]
    can_be_listed: bool = True


def fans_of(store: Any) -> list[str]:
    """The members, whom roots and parameters have a say in."""
    return ["f1", "f2", *(["f9"] if getattr(store, "year", 0) == 9 else [])]


ROOTS = [
    Part("home", "home_id", lambda: root(Squad), ("s1", "s2")),
    Part("guest", "guest", lambda: reference(Squad), ("s1", "s2")),
]
PARAMS = [
    Part("year", "int:year", lambda: param(int), ("7", "2024"), can_be_listed=False),
    Part("cup", "cup", lambda: param(bool), ("true", "false"), can_be_listed=False),
]
MEMBERS = [
    Part("fan", "fan_id", lambda: each(Fan, source=fans_of), ("f1", "f2")),
    Part("name", "name", lambda: each(str, source=fans_of), ("f1", "f2")),
]

MIXTURES = [
    (*roots, *params, *member)
    for roots in ((), ROOTS[:1], ROOTS)
    for params in ((), PARAMS[:1], PARAMS)
    for member in ((), MEMBERS[:1], MEMBERS[1:])
]


def view_of(parts: tuple[Part, ...]) -> type[ViewModel]:
    store = type("MixtureStore", (Store,), {part.slot: part.declared() for part in parts})

    class Mixture(ViewModel):
        @attrs.computed
        def said(self) -> list[str]:
            values = (getattr(self.store, part.slot) for part in parts)
            return [v.doc_id if isinstance(v, DomainModel) else str(v).lower() for v in values]

    Mixture._store_annotation = (store, {})
    return Mixture


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        for doc_id in ("s1", "s2"):
            datastore.put(f"Squad/{doc_id}", obj_type="Squad", name=doc_id)
        for doc_id in ("f1", "f2", "f3"):
            datastore.put(f"Fan/{doc_id}", obj_type="Fan", name=doc_id)
        yield datastore


def rule_of(parts: tuple[Part, ...]) -> str:
    return "/of" + "".join(f"/<{part.in_rule}>" for part in parts)


@pytest.mark.usefixtures("datastore")
@pytest.mark.parametrize("parts", MIXTURES, ids=lambda p: "-".join(part.slot for part in p) or "-")
def test_every_mixture_is_served(parts: tuple[Part, ...]) -> None:
    app = Flask("mixed")
    mediator = view.RestMediator(view_of(parts), app=app)
    mediator.add_instance_get(rule_of(parts))
    listed = []
    for part in parts:
        others = tuple(other for other in parts if other != part)
        rule = f"/all/{part.slot}{rule_of(others)}"
        if part.can_be_listed:
            mediator.add_list_get(rule)
            listed.append((part, others))
        else:
            with pytest.raises(
                ConfigurationError, match=f"all values of {part.slot}, which nobody knows"
            ):
                mediator.add_list_get(rule)
    client = app.test_client()
    for all_known in itertools.product(*(part.known for part in parts)):
        assert client.get("/".join(["/of", *all_known])).json == {"said": list(all_known)}
    for part in parts:
        # What is named by no part has no view, whatever the others are.
        named = ["-1" if other == part else other.known[0] for other in parts]
        assert client.get("/".join(["/of", *named])).status_code == 404
    for part, others in listed:
        named = [other.known[-1] for other in others]
        page = client.get("/".join([f"/all/{part.slot}/of", *named])).json
        at = parts.index(part)
        assert page == {
            "results": {key: {"said": [*named[:at], key, *named[at:]]} for key in part.known},
            "next_page_token": None,
        }


@pytest.mark.usefixtures("datastore")
def test_a_list_below_what_is_missing_is_missing() -> None:
    app = Flask("mixed")
    parts = (*ROOTS, PARAMS[0], MEMBERS[0])
    mediator = view.RestMediator(view_of(parts), app=app)
    mediator.add_list_get("/fans/<home>/<guest>/<year>")
    mediator.add_list_get("/guests/<home>/<year>/<fan>")
    client = app.test_client()
    for path in ("/fans/s1/s9/7", "/fans/s9/s1/7", "/guests/s9/7/f1"):
        assert "there is no document Squad/s9" in client.get(path).json["detail"]
    assert client.get("/fans/s1/s2/seven").status_code == 404
    assert client.get("/guests/s1/7/f3").json["results"] == {}


# -- members whose source fails


class ClubStore(Store):
    squad = root(Squad)
    fan = each(Fan, source=lambda store: store.squad.fans)


class ClubView(ViewModel):
    store: ClubStore

    name: Attr[str] = attrs.through("fan.name")


class RefusedStore(Store):
    squad = root(Squad)
    fan = each(Fan, source=lambda store: Fan.where(name=float("nan")).order_by("name").limit(-1))


class RefusedView(ViewModel):
    store: RefusedStore

    name: Attr[str] = attrs.through("fan.name")


class BrokenStore(Store):
    squad = root(Squad)
    fan = each(Fan, source=lambda store: 1 // 0)


class BrokenView(ViewModel):
    store: BrokenStore

    name: Attr[str] = attrs.through("fan.name")


@pytest.mark.usefixtures("datastore")
@pytest.mark.parametrize("cls", [RefusedView, BrokenView])
def test_who_the_members_are_may_not_be_found_out(cls: type[ViewModel]) -> None:
    app = Flask("broken")
    mediator = view.RestMediator(cls, app=app)
    mediator.add_list_get("/fans/<squad>")
    mediator.add_instance_get("/fans/<squad>/<fan>")
    client = app.test_client()
    for path in ("/fans/s1", "/fans/s1/f1"):
        answer = client.get(path)
        # Why is for the log.
        assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
        assert answer.json["detail"] == "The server failed to answer; the error was logged."
    assert client.get("/fans/s9").status_code == 404


def test_one_poison_of_many_members_is_told_alone(datastore: MemoryDatastore) -> None:
    names = [f"m{n:05}" for n in range(10_001)]
    datastore.put("Squad/big", obj_type="Squad", name="big", fans=names)
    for name in names[:500]:
        datastore.put(f"Fan/{name}", obj_type="Fan", name=name)
    datastore.put("Fan/m00007", obj_type="Fan", name=7)
    app = Flask("many")
    mediator = view.RestMediator(ClubView, app=app)
    mediator.add_list_get("/fans/<squad>")
    page = app.test_client().get("/fans/big?limit=500").json
    assert list(page["errors"]) == ["m00007"]
    assert list(page["results"]) == [name for name in names[:500] if name != "m00007"]


def test_what_is_no_member_keeps_no_other_from_being_served(
    datastore: MemoryDatastore, caplog: pytest.LogCaptureFixture
) -> None:
    datastore.put("Squad/odd", obj_type="Squad", name="odd", fans=["f1", "a/b/c", "Other/x", "f2"])
    app = Flask("odd")
    mediator = view.RestMediator(ClubView, app=app)
    mediator.add_list_get("/fans/<squad>")
    mediator.add_instance_get("/fans/<squad>/<fan>")
    client = app.test_client()
    assert list(client.get("/fans/odd").json["results"]) == ["f1", "f2"]
    assert "a list of ClubView leaves something out" in caplog.text
    assert [client.get(f"/fans/odd/{fan}").status_code for fan in ("f1", "f2")] == [200, 200]


def test_what_all_members_have_in_common_is_computed_once(datastore: MemoryDatastore) -> None:
    computed: list[str] = []

    class MurmurStore(Store):
        squad = root(Squad)
        fan = each(Fan, source=lambda store: store.squad.fans)
        all_squads = reference(Squad, many=True, source=lambda store: note("all", Squad.all()))
        friend = reference(Fan, source=lambda store: note("friend", store.fan.doc_id))

    class Murmur(ViewModel):
        store: MurmurStore

        @attrs.computed
        def squads(self) -> int:
            found = len(self.store.all_squads)
            note("squads")
            return found

        @attrs.computed
        def said(self) -> str:
            text = f"{self.store.friend.name} of {len(self.store.all_squads)}"
            note("said")
            return text

    def note(what: str, value: Any = None) -> Any:
        computed.append(what)
        return value

    datastore.put("Squad/s1", obj_type="Squad", name="s1", fans=["f1", "f2", "f3"])
    app = Flask("murmurs")
    view.RestMediator(Murmur, app=app).add_list_get("/fans/<squad>")
    page = app.test_client().get("/fans/s1").json
    assert page["results"] == {
        key: {"squads": 2, "said": f"{key} of 2"} for key in ("f1", "f2", "f3")
    }
    # The last run, with all at hand: one of what is common, three of the members' own.
    assert computed.count("squads") == 1
    assert computed.count("said") == 3


def test_what_a_getter_does_is_seen_by_no_other_member(datastore: MemoryDatastore) -> None:
    class GossipStore(Store):
        squad = root(Squad)
        fan = each(Fan, source=lambda store: store.squad.fans)

        @reference(Fan)
        def friend(self) -> str:
            try:
                return self.fan.doc_id
            except BaseException:
                return "f1"

    class Gossip(ViewModel):
        store: GossipStore

        @attrs.computed
        def fans(self) -> list[str]:
            fans = self.store.squad.fans
            fans.append(f"and {self.store.fan.doc_id}")
            return fans

        @attrs.computed
        def friend(self) -> str:
            return self.store.friend.name if self.store.friend else ""

    datastore.put("Squad/s1", obj_type="Squad", name="s1", fans=["f1", "f2"])
    app = Flask("gossips")
    view.RestMediator(Gossip, app=app).add_list_get("/fans/<squad>")
    assert app.test_client().get("/fans/s1").json["results"] == {
        key: {"fans": ["f1", "f2", f"and {key}"], "friend": key} for key in ("f1", "f2")
    }


def test_what_fails_for_all_members_is_told_of_each(datastore: MemoryDatastore) -> None:
    class Failing(ClubView):
        @attrs.computed
        def squad(self) -> str:
            if self.store.squad.name == "s1":
                raise ValueError("no")
            return self.store.squad.name

    datastore.put("Squad/s1", obj_type="Squad", name="s1", fans=["f1", "f2"])
    app = Flask("failing")
    view.RestMediator(Failing, app=app).add_list_get("/fans/<squad>")
    page = app.test_client().get("/fans/s1").json
    assert (page["results"], list(page["errors"])) == ({}, ["f1", "f2"])


def test_firestore_being_away_is_no_matter_of_one_member(
    datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastore.put("Squad/s1", obj_type="Squad", name="s1", fans=["f1"])
    app = Flask("away")
    view.RestMediator(ClubView, app=app).add_list_get("/fans/<squad>")

    def away(*arguments: Any, **named: Any) -> Any:
        raise UnavailableError("gone")

    monkeypatch.setattr(datastore, "begin", away)
    assert app.test_client().get("/fans/s1").status_code == 503


# -- what is made


class Joining(Mutation[ClubView]):
    @classmethod
    def mutate_create(cls, doc_id: str | None = None, data: Any = None) -> ClubView:
        def join() -> ClubView:
            Fan.new(doc_id="new one", name=data["name"]).save()
            squad = Squad.get_or_raise("s1")
            squad.fans = [*squad.fans, "new one"]
            squad.save()
            return ClubView.new(squad="s1", fan="new one")

        return cls.atomically(join)


@pytest.mark.usefixtures("datastore")
@pytest.mark.parametrize(
    ("shown_at", "location"),
    [
        ("/squads/<squad_id>/<fan>", "/squads/s1/new%20one"),
        ("/fans/<fan_id>/of/<squad>", "/fans/new%20one/of/s1"),
        (None, "/joined/s1/new%20one"),
    ],
)
def test_what_is_made_says_where_it_is(shown_at: str | None, location: str) -> None:
    app = Flask("joining")
    mediator = view.RestMediator(ClubView, Joining, app=app)
    mediator.add_list_post("/joined")
    if shown_at is not None:
        mediator.add_instance_get(shown_at)
    client = app.test_client()
    made = client.post("/joined", json={"name": "New"})
    assert (made.status_code, made.json) == (201, {"name": "New"})
    assert made.headers["Location"] == location
    if shown_at is not None:
        assert client.get(location).headers["ETag"] == made.headers["ETag"]
