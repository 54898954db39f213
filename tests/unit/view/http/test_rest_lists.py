"""Lists over HTTP: what may be filtered and sorted by, and what is told of what may not."""

# mypy: disable-error-code="index, no-redef, union-attr"

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask.views import MethodView

from flask_boiler import ListGet, attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Account(DomainModel):
    iban: Attr[str]
    holder: Attr[str]
    balance: Attr[int]
    limit: Attr[int] = attrs.bproperty(default=0)
    branch: Attr[str] = attrs.bproperty(default="", export_enabled=False)

    @attrs.computed
    def rich(self) -> bool:
        return self.balance > 100


class AccountStore(Store):
    account = reference(Account)
    twin = reference(Account, source=lambda store: store.account)


class AccountView(ViewModel):
    """It masks one value under its own name, and passes another through under a new one."""

    store: AccountStore

    iban: Attr[str] = attrs.bproperty()
    balance: Attr[int] = attrs.bproperty()
    owner: Attr[str] = attrs.through("account.holder")
    other: Attr[str | None] = attrs.through("twin.holder")
    rich = attrs.through("account.rich")
    limit = attrs.through("account.limit")
    written_only = attrs.through("account.balance", export_enabled=False)

    @iban.getter
    def iban(self) -> str:
        return f"…{self.store.account.iban[-2:]}"

    @balance.getter
    def balance(self) -> int:
        return round(self.store.account.balance, -2)


class ShoutedView(AccountView):
    """It has a getter of its own for what its parent passes through."""

    owner = AccountView.owner.getter(lambda self: self.store.account.holder.upper())


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        for n, holder in enumerate(["bob", "ann", "cem"]):
            fields = {"holder": holder, "balance": n, "iban": f"DE{n}"}
            datastore.put(f"Account/a{n}", obj_type="Account", **fields)
        yield datastore


@pytest.fixture
def app() -> Flask:
    app = Flask("bank")
    app.config["SECRET_KEY"] = "s"
    view.RestMediator(AccountView, app=app).add_list_get("/accounts")
    view.RestMediator(AccountView, app=app).add_list_get("/of/<place>/accounts")
    view.RestMediator(ShoutedView, app=app).add_list_get("/shouted")
    named = view.RestMediator(AccountView, app=app)
    named.add_list_get("/named", filters=["balance", "holder"])
    return app


@pytest.fixture
def client(app: Flask, datastore: MemoryDatastore) -> FlaskClient:
    return app.test_client()


def ids(client: FlaskClient, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return sorted(answer.json["results"])


def in_order(client: FlaskClient, path: str) -> list[str]:
    return list(json.loads(client.get(path).data)["results"])


def test_what_passes_through_is_a_parameter_under_the_views_name(client: FlaskClient) -> None:
    assert ids(client, "/accounts?owner=ann") == ["a1"]
    assert in_order(client, "/accounts?order_by=-owner") == ["a2", "a0", "a1"]


@pytest.mark.parametrize(
    "name", ["iban", "balance", "holder", "other", "rich", "writtenOnly", "branch"]
)
def test_what_is_masked_computed_or_not_shown_is_no_parameter(
    client: FlaskClient, name: str
) -> None:
    for query in (f"{name}=1", f"order_by={name}"):
        refused = client.get(f"/accounts?{query}")
        assert refused.status_code == 400
        [said] = next(iter(refused.json["errors"].values()))
        assert "owner" in said


def test_what_has_a_getter_of_its_own_is_no_parameter_any_more(client: FlaskClient) -> None:
    assert client.get("/shouted?owner=ANN").status_code == 400
    assert client.get("/shouted?order_by=owner").status_code == 400
    assert ids(client, "/shouted") == ["a0", "a1", "a2"]


def test_the_application_may_name_further_attributes(client: FlaskClient) -> None:
    assert ids(client, "/named?balance=2&holder=cem&owner=cem") == ["a2"]
    assert in_order(client, "/named?order_by=-balance") == ["a2", "a1", "a0"]


def test_the_document_lists_these_parameters_and_no_others(app: Flask) -> None:
    paths = openapi_document(app)["paths"]
    listed = {
        path: {p["name"] for p in paths[path]["get"]["parameters"]}
        for path in ("/accounts", "/named", "/shouted")
    }
    paging = {"limit", "page_token"}
    assert listed == {
        "/accounts": {"owner", "order_by", *paging},
        "/named": {"owner", "balance", "holder", "order_by", *paging},
        "/shouted": paging,
    }


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["balence"], "did you mean 'balance'"),
        (["rich"], "not stored"),
        (["branch"], "not stored"),
        (["limit"], "a parameter of every list"),
        ("holder", "is a text, and not a list"),
    ],
)
def test_a_name_that_no_list_can_take_is_refused_when_it_is_added(filters: Any, said: str) -> None:
    mediator = view.RestMediator(AccountView, app=Flask("bank"))
    with pytest.raises(ConfigurationError, match=said):
        mediator.add_list_get("/accounts", filters=filters)


def test_one_parameter_for_two_attributes_is_refused() -> None:
    class Clashing(ViewModel):
        store: AccountStore
        holder = attrs.through("account.iban")

    mediator = view.RestMediator(Clashing, app=Flask("bank"))
    mediator.add_list_get("/clashing")
    with pytest.raises(ConfigurationError, match="two attributes as 'holder'"):
        mediator.add_list_get("/named", filters=["holder"])


def test_only_a_list_of_ours_takes_names() -> None:
    class Own(MethodView):
        pass

    class Curious(ListGet):
        filters = ("balance",)

    mediator = view.RestMediator(AccountView, app=Flask("bank"))
    with pytest.raises(ConfigurationError, match="Own is another view"):
        mediator.add_list_get("/own", Own, filters=["balance"])
    mediator.add_list_get("/curious", Curious, filters=["holder"])
    [route] = mediator.routes
    assert isinstance(route.instance, ListGet)
    assert set(route.instance.filterable) == {"owner", "balance", "holder"}


# -- page tokens


def page(client: FlaskClient, token: str, path: str = "/accounts", **more: Any) -> Any:
    return client.get(path, query_string={"limit": 1, "page_token": token, **more})


def first_token(client: FlaskClient, **more: Any) -> str:
    token: str = client.get("/accounts", query_string={"limit": 1, **more}).json["next_page_token"]
    return token


def test_a_token_shows_nothing(client: FlaskClient, datastore: MemoryDatastore) -> None:
    token = first_token(client, order_by="owner")
    raw = base64.urlsafe_b64decode(token + "==")
    assert b"ann" not in raw and b"a1" not in raw
    assert first_token(client, order_by="owner") != token
    second = page(client, token, order_by="owner")
    assert list(second.json["results"]) == ["a0"]


def test_a_token_that_is_forged_damaged_or_foreign_is_refused(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    token = first_token(client)
    changed = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    for wrong in ("x", "\0", "é", changed, token[:-2], token + "AAAA", "A" * 100):
        refused = page(client, wrong)
        assert (refused.status_code, refused.mimetype) == (400, "application/problem+json")
    assert page(client, token).status_code == 200
    # Of another order, other filters, another route, and the same route of another place.
    assert page(client, token, order_by="owner").status_code == 400
    assert page(client, token, owner="ann").status_code == 400
    assert page(client, token, "/named").status_code == 400
    here = client.get("/of/here/accounts?limit=1").json["next_page_token"]
    assert page(client, here, "/of/here/accounts").status_code == 200
    assert page(client, here, "/of/there/accounts").status_code == 400


def test_a_token_of_code_is_none_for_clients(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    made = Account.get_query().page(1).next_page_token
    assert made is not None
    assert page(client, made).status_code == 400


def test_a_token_of_an_older_key_still_counts(client: FlaskClient, app: Flask) -> None:
    token = first_token(client)
    app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["older", "s"])
    assert list(page(client, token).json["results"]) == ["a1"]
    app.config.update(SECRET_KEY_FALLBACKS=["older"])
    assert page(client, token).status_code == 400


def test_a_page_continues_when_its_last_document_is_gone(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    token = first_token(client, order_by="owner")
    datastore.drop("Account/a1")
    assert list(page(client, token, order_by="owner").json["results"]) == ["a0"]


def test_a_token_is_short_whatever_is_stored(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    for n in range(5):
        fields = {"holder": "x" * 100_000 + str(9 - n), "balance": n, "iban": "DE"}
        datastore.put(f"Account/long{n}", obj_type="Account", **fields)
    token: str | None = first_token(client, order_by="-owner")
    seen = [*client.get("/accounts?limit=1&order_by=-owner").json["results"]]
    while token is not None:
        assert len(token) < 2500
        datastore.drop(f"Account/{seen[-1]}")
        answer = page(client, token, order_by="-owner").json
        seen += answer["results"]
        token = answer["next_page_token"]
    assert sorted(seen) == ["a0", "a1", "a2", *(f"long{n}" for n in range(5))]


class Contact(Model):
    city: Attr[str]
    phone: Attr[str] = attrs.bproperty(default="", export_enabled=False)


class Customer(DomainModel):
    contact: Attr[Contact | None] = attrs.embed(Contact)
    former: Attr[list[Contact]] = attrs.embed(Contact, many=True, default_factory=list)
    by_use: Attr[dict[str, Contact]] = attrs.embed(Contact, many=True, default_factory=dict)
    notes: Attr[dict[str, str]] = attrs.bproperty(default_factory=dict)


class CustomerStore(Store):
    customer = reference(Customer)


class CustomerView(ViewModel):
    store: CustomerStore

    contact = attrs.through("customer.contact")
    former = attrs.through("customer.former")
    by_use = attrs.through("customer.by_use")
    notes = attrs.through("customer.notes")


def test_what_is_shown_in_part_sorts_no_list(datastore: MemoryDatastore) -> None:
    # What is stored in an embedded document and not declared, or not shown, would sort it as well.
    for n, phone in enumerate("213"):
        inside = {"city": "Ulm", "phone": phone}
        datastore.put(f"Customer/c{n}", obj_type="Customer", contact=inside, notes={"a": phone})
    app = Flask("shop")
    app.config["SECRET_KEY"] = "s"
    view.RestMediator(CustomerView, app=app).add_list_get("/customers")
    view.RestMediator(CustomerView, app=app).add_list_get("/named", filters=["contact"])
    client = app.test_client()
    for name in ("contact", "-contact", "former", "byUse"):
        assert client.get(f"/customers?order_by={name}").status_code == 400
    for path in ("/customers?order_by=notes", "/named?order_by=contact"):
        assert in_order(client, path) == ["c1", "c0", "c2"]
