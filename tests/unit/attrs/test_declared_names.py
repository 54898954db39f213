"""Names in declarations are checked when they are declared, and say what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask

from flask_boiler import ListGet, RestMediator, attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, DeclarationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.http.routes import InstanceGet
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.view.ws_mediator import WsMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.path_template import PathTemplate
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Street(Model):
    name: Attr[str]


class Town(DomainModel):
    town_name: Attr[str]
    street = attrs.embed(Street)
    notes = attrs.bdict()
    anything = attrs.bproperty()


class Village(Town):
    farms: Attr[int] = attrs.bproperty(default=0)


class SignView(ViewModel):
    label: Attr[str] = attrs.bproperty(default="")


class TownStore(Store):
    town = reference(Town)
    twins = reference(Town, many=True, source=lambda store: [])
    sign = reference(SignView, source=lambda store: "signs/a")
    later = reference("DeclaredNowhere", source=lambda store: None)
    any_one = reference(source=lambda store: None)

    @property
    def place(self) -> str:
        return "here"


class TownView(ViewModel):
    store: TownStore

    class Meta:
        path = "townView/{town.doc_id}"


class TownMutation(Mutation[TownView]):
    pass


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    made, _ = memory_context()
    with made.activated():
        yield


def view_with(**meta: Any) -> type[ViewModel]:
    class OddView(ViewModel):
        store: TownStore
        Meta = type("Meta", (), meta)

    return OddView


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("v/{twn.doc_id}", r"TownStore has no slot 'twn'; did you mean 'town'\?"),
        ("v/{town.doc_ids}", r"Town has no 'doc_ids'; did you mean 'doc_id'\?"),
        ("v/{town.id}", r"Town has no 'id'; did you mean 'doc_id'\?"),
        ("v/{town.twn_name}", r"Town has no 'twn_name'; did you mean 'town_name'\?"),
        ("v/{town.street.nme}", r"Town\.street has no 'nme'; did you mean 'name'\?"),
        ("v/{sign.lable}", r"SignView has no 'lable'; did you mean 'label'\?"),
        ("v/{twins.doc_id}", "is a reference to many"),
        ("v/{}", "expected a slot of the store"),
        ("v/{0}", "expected a slot of the store"),
        ("v/{town", r"OddView\.Meta\.path is"),
    ],
)
def test_what_a_path_names_has_to_be_there(path: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        view_with(path=path)


@pytest.mark.parametrize(
    "path",
    ["v", "v/{town.doc_id}/w", "/v/{town.doc_id}", "v//{town.doc_id}", "v/{town.doc_id}/", ""],
)
def test_a_path_that_can_be_no_documents(path: str) -> None:
    with pytest.raises(DeclarationError, match="which names no document"):
        view_with(path=path)


def test_a_path_of_a_whole_document() -> None:
    with pytest.raises(DeclarationError, match=r"name a part of it, as in \{town.doc_id\}"):
        view_with(path="v/{town}")


@pytest.mark.parametrize(
    "path",
    [
        "v/{town.doc_id}",
        "v/{town.farms}",
        "v/{town.street.name}/w/{town.notes[x]}",
        "v/{town.extra[x]}",
        "v/{twins[x].doc_id}",
        "v/{sign.doc_id}",
        "v/{place}",
        "v/{later.whatever}",
        "v/{any_one.whatever}",
        "v/fixed",
    ],
)
def test_what_a_path_may_name(path: str) -> None:
    assert view_with(path=path).meta("path") == path


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Town.new(doc_id="b"), "a value of type Town cannot be part of a path"),
        (["b"], "a value of type list cannot be part of a path"),
        ({"b": 1}, "a value of type dict cannot be part of a path"),
        (SimpleNamespace(path="Town/b"), r"is a reference: write \{town.anything.id\}"),
        (None, "which is None"),
    ],
)
def test_a_value_that_can_be_no_part_of_a_path(value: Any, said: str) -> None:
    store = SimpleNamespace(town=SimpleNamespace(anything=value))
    with pytest.raises(ValueError, match=said):
        PathTemplate("v/{town.anything}", "V.Meta.path").filled(store)


def test_a_store_that_is_fed_by_hand_has_any_name() -> None:
    class FedView(ViewModel):
        store: Store

        class Meta:
            path = "v/{anything.doc_id}"

    assert FedView.meta("path")


class EarlyView(ViewModel):
    store: LateStore

    class Meta:
        path = "v/{twn.doc_id}"


class LateStore(Store):
    town = reference(Town)


def test_a_store_that_comes_later_is_looked_at_by_who_keeps_the_view() -> None:
    with pytest.raises(DeclarationError, match=r"did you mean 'town'\?"):
        QueryMediator(EarlyView, query=Town.all())


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("delte", r"'delte'; did you mean 'delete'\?"),
        (3, "expected 'delete'"),
        (staticmethod(lambda: None), "too many positional arguments"),
    ],
)
def test_what_becomes_of_a_view(choice: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        view_with(on_delete=choice)


def test_metadata_that_is_left_out() -> None:
    with pytest.raises(DeclarationError, match=r"did you mean 'doc_ref'\?"):
        type("Odd", (DomainModel,), {"Meta": type("Meta", (), {"exclude": "docref"})})


def test_an_option_of_an_attribute() -> None:
    for declare in (attrs.bdict, attrs.timestamp, attrs.bproperty):
        with pytest.raises(DeclarationError, match=r"no option 'defualt'; did you mean 'default'"):
            declare(defualt=1)  # type: ignore[call-overload]


def test_a_model_by_name() -> None:
    slot = reference("TownVeiw")
    with pytest.raises(DeclarationError, match=r"'TownVeiw'.*did you mean 'TownView'"):
        _ = slot.model


class TestStores:
    def test_roots(self) -> None:
        with pytest.raises(DeclarationError, match=r"'twn'; did you mean 'town'\?"):
            TownStore(twn="a")
        with pytest.raises(DeclarationError, match="needs town"):
            TownView.new(**{"twn": "a"})

    def test_a_snapshot(self) -> None:
        with pytest.raises(DeclarationError, match=r"'twn'; did you mean 'town'\?"):
            TownStore().add_snapshot("twn", dm_cls=Town, snapshot=None)
        store: Any = Store()
        Town.new("a", town_name="A").save()
        store.add_snapshot("twn", dm_cls=Town, snapshot=Town.all().snapshot_page(1).results[0])
        assert store.twn.town_name == "A"

    def test_a_source_that_cannot_be_called(self) -> None:
        with pytest.raises(DeclarationError, match=r"Odd\.town: its source .*\(store\)"):
            type("Odd", (Store,), {"town": reference(Town, source=lambda: None)})  # type: ignore[arg-type,misc]


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "on_task": (
        lambda: QueryTaskMediator(query=Town.all(), on_task=lambda task: None),  # type: ignore[arg-type,misc]
        r"on_task .*\(task, transaction\): too many",
    ),
    "on_task with more": (
        lambda: QueryTaskMediator(query=Town.all(), on_task=lambda a, b, c: None),  # type: ignore[arg-type,misc]
        "missing a required argument: 'c'",
    ),
    "authorize": (
        lambda: DocumentMediator(
            mutation_cls=TownMutation,
            patches="patches",
            authorize=lambda patch: True,  # type: ignore[arg-type,misc]
        ),
        r"authorize .*\(patch, view\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_functions_that_cannot_be_called_are_refused(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_functions_that_do_not_show_their_signature_are_taken() -> None:
    assert QueryTaskMediator(query=Town.all(), on_task=max)
    assert QueryTaskMediator(query=Town.all(), on_task=lambda *given: None)


class TestHandlers:
    def mediator(self, protocol: type[ProtocolBase]) -> QueryMediator:
        made = type("Handling", (QueryMediator,), {"Protocol": protocol})
        mediator: QueryMediator = made(query=Town.all())
        return mediator

    def test_one_that_is_never_called(self) -> None:
        class Protocol(ProtocolBase):
            @staticmethod
            def on_craete(snapshot: Any, mediator: Any) -> None: ...

        with pytest.raises(ConfigurationError, match=r"on_craete is never called; did you mean"):
            self.mediator(Protocol)

    def test_one_that_cannot_be_called(self) -> None:
        class Protocol(ProtocolBase):
            def on_create(self, snapshot: Any, mediator: Any) -> None: ...  # type: ignore[override]

        with pytest.raises(ConfigurationError, match=r"@staticmethod\?"):
            self.mediator(Protocol)


class TestRoutes:
    def test_a_rule_without_the_id(self) -> None:
        mediator = RestMediator(TownView, TownMutation, app=Flask(__name__))
        for add in (
            mediator.add_instance_get,
            mediator.add_instance_put,
            mediator.add_instance_patch,
            mediator.add_instance_delete,
        ):
            with pytest.raises(ConfigurationError, match=r"no <doc_id>.*it has <docid> instead"):
                add("/towns/<string:docid>")
        assert mediator.routes == []

    def test_a_rule_of_a_view_of_ones_own(self) -> None:
        class Own(InstanceGet):
            def answer(self, *, doc_id: str, lang: str) -> Any:  # type: ignore[override]
                return None

        mediator = RestMediator(TownView, app=Flask(__name__))
        with pytest.raises(ConfigurationError, match="<lang>"):
            mediator.add_instance_get("/towns/<doc_id>", Own)
        with pytest.raises(ConfigurationError, match=r"<more>.*does not take"):
            mediator.add_instance_get("/<lang>/<more>/towns/<doc_id>", Own)
        mediator.add_instance_get("/<lang>/towns/<doc_id>", Own)

    def test_a_blueprint_may_have_it_in_its_prefix(self) -> None:
        for prefix, fits in (("/towns/<doc_id>", True), ("/towns/<docid>", False)):
            blueprint = Blueprint("api", __name__)
            RestMediator(TownView, app=blueprint).add_instance_get("/view")
            app = Flask(__name__)
            if fits:
                app.register_blueprint(blueprint, url_prefix=prefix)
                continue
            with pytest.raises(ConfigurationError, match="no <doc_id>"):
                app.register_blueprint(blueprint, url_prefix=prefix)

    def test_filters_that_the_root_does_not_have(self) -> None:
        class Towns(ListGet):
            filters = ("twn_name",)

        with pytest.raises(ConfigurationError, match=r"'twn_name'; did you mean 'town_name'\?"):
            RestMediator(TownView, app=Flask(__name__)).add_list_get("/towns", Towns)


class Person(DomainModel):
    name: Attr[str]


class Hamlet(DomainModel):
    """Lies among the towns, and is none."""

    class Meta:
        collection_name = "Town"


class BareView(ViewModel):
    class Meta:
        path = "bare/fixed"


def book(task: Any, transaction: Any) -> None:
    pass


class TestWhatAViewIsOf:
    @pytest.mark.parametrize(
        "make",
        [
            lambda cls: QueryMediator(cls, query=Town.all()),
            lambda cls: QueryTaskMediator(cls, query=Town.all()),
            lambda cls: DocumentMediator(cls, document="Town/a"),
            lambda cls: RestMediator(cls, app=Flask("app")).add_instance_get("/t/<doc_id>"),
            lambda cls: WsMediator(cls, namespace="/t"),
        ],
    )
    def test_a_mediator_of_what_is_no_view(self, make: Any) -> None:
        with pytest.raises(ConfigurationError, match="Town is not a view model"):
            make(Town)

    @pytest.mark.parametrize("mediator", [QueryMediator, QueryTaskMediator])
    def test_a_query_of_another_model_than_the_root(self, mediator: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"TownStore\.town.*the query finds Person"):
            mediator(TownView, query=Person.all())

    @pytest.mark.parametrize("model", [Town, Village, Hamlet])
    def test_a_query_of_what_may_be_the_root(self, model: Any) -> None:
        assert QueryMediator(TownView, query=model.all()).query

    @pytest.mark.parametrize(
        ("query", "write"),
        [(Town, "Town.get_query()"), (Town.get_query, "Town.get_query()")],
    )
    def test_what_would_give_a_query(self, query: Any, write: str) -> None:
        with pytest.raises(ConfigurationError, match=f"and no query: write {re.escape(write)}"):
            QueryMediator(TownView, query=query)

    def test_a_view_without_a_store(self) -> None:
        with pytest.raises(ConfigurationError, match="BareView has no store"):
            QueryMediator(BareView, query=Town.all())

    def test_a_root_that_is_called_otherwise(self) -> None:
        with pytest.raises(DeclarationError, match="needs town, and was given twn"):
            TownView.new(**{"twn": "a"})


def test_a_store_is_annotated_and_not_assigned() -> None:
    with pytest.raises(
        DeclarationError, match="has 'store = TownStore': annotate it, as in 'store:"
    ):

        class AssignedView(ViewModel):
            store = TownStore


@pytest.mark.parametrize("model", [3, int, Town.all, ["Town"]])
def test_a_reference_to_what_is_no_model(model: Any) -> None:
    with pytest.raises(DeclarationError, match="a reference needs a model or its name"):
        reference(model)
