"""Callbacks: coroutine functions and generators are refused, and what they raise is a failure."""

# mypy: ignore-errors

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_socketio import SocketIO
from marshmallow import fields

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import BoilerError, ConfigurationError, DeclarationError
from flask_boiler.ground.callbacks import as_exception, is_failure, require_plain, require_result
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.ground.ports import Incomplete
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions.running import execute_transaction, run_transaction, transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.http.routes import RestView
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.view.ws_mediator import WsMediator
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


async def coroutine(*args: Any, **options: Any) -> Any:
    return True


async def asynchronous_generator(*args: Any, **options: Any) -> Any:
    yield True


def generator(*args: Any, **options: Any) -> Any:
    yield True


class Callable_:
    async def __call__(self, *args: Any) -> Any:
        return True


class Yielding:
    def __call__(self, *args: Any) -> Any:
        yield True


class Holder:
    method = coroutine

    @staticmethod
    async def static(*args: Any) -> Any: ...

    @classmethod
    async def of_class(cls, *args: Any) -> Any: ...


NEVER_RUN = [
    coroutine, asynchronous_generator, functools.partial(coroutine, 1),
    functools.partial(functools.partial(coroutine), 1), Callable_(), Holder().method,
    Holder.static, Holder.of_class, vars(Holder)["static"], vars(Holder)["of_class"],
    property(coroutine), functools.cached_property(coroutine),
]  # fmt: skip
NOTHING_RUN = [generator, functools.partial(generator), Yielding(), vars(Yielding)["__call__"]]
ALL = [*NEVER_RUN, *NOTHING_RUN]


@pytest.mark.parametrize("function", NEVER_RUN)
def test_what_would_never_run_is_refused(function: Any) -> None:
    for may_yield in (False, True):
        with pytest.raises(ConfigurationError, match=r"this is .* nothing awaits it.*asyncio\.run"):
            require_plain(function, "this", may_yield=may_yield)


@pytest.mark.parametrize("function", NOTHING_RUN)
def test_what_would_run_only_if_it_was_iterated_is_refused(function: Any) -> None:
    with pytest.raises(DeclarationError, match=r"this is a generator function .* such as a list"):
        require_plain(function, "this", error=DeclarationError)
    require_plain(function, "this", may_yield=True)


@pytest.mark.parametrize(
    "function",
    [len, list, print, lambda: 1, functools.partial(len), "".join, None, 3, Holder, Holder()],
)
def test_anything_else_passes(function: Any) -> None:
    assert complaint_about(function) is None


def complaint_about(function: Any) -> str | None:
    """Why a function is refused; ``None`` if it is taken."""
    try:
        require_plain(function, "this")
    except ConfigurationError as error:
        return str(error)
    return None


def hide(function: Any) -> Any:
    @functools.wraps(function)
    def decorated(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return decorated


def test_what_hides_in_a_decorated_function_is_seen_in_its_result() -> None:
    hidden = hide(coroutine)
    require_plain(hidden, "this")
    result = hidden()
    with pytest.raises(ConfigurationError, match="this is a function that returns a coroutine"):
        require_result(result, "this")
    assert inspect.getcoroutinestate(result) == inspect.CORO_CLOSED
    assert require_result("value", "this") == "value"


class City(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel):
    store: CityStore

    class Meta:
        path = "cityView/{city.doc_id}"


class CityMutation(Mutation[CityView]):
    view_model_cls = CityView


def in_a_body(parent: type, **members: Any) -> Any:
    return lambda function: type("Declared", (parent,), {n: function for n in members})


def role(name: str) -> Any:
    return getattr(attrs.bproperty(), name)


def on_delete(function: Any) -> Any:
    meta = type("Meta", (), {"on_delete": staticmethod(function)})
    return type("Kept", (ViewModel,), {"Meta": meta})


def mediator_method(parent: type, name: str) -> Any:
    return lambda function: type("Mediating", (parent,), {name: function})


def protocol(name: str) -> Any:
    return lambda function: type("Protocol", (ProtocolBase,), {name: staticmethod(function)})


def protocol_of_another_family(function: Any) -> Any:
    handlers = {
        "on_create": staticmethod(function),
        "on_update": staticmethod(print),
        "on_delete": staticmethod(print),
    }
    own = {"Protocol": type("Protocol", (), handlers)}
    return type("Mediating", (QueryMediator,), own)(query=City.get_query())


def mixed_in(function: Any) -> Any:
    mixin = type("Mixin", (), {"submit": function})
    return type("Submitted", (mixin, Form), {})


DECLARATIONS = {
    "getter": role("getter"),
    "setter": role("setter"),
    "deleter": role("deleter"),
    "init": role("init"),
    "computed": attrs.computed,
    "default_factory": lambda function: attrs.bproperty(default_factory=function),
    "initialize": lambda function: attrs.bproperty(initialize=function),
    "validate": lambda function: attrs.bproperty(validate=function),
    "validators": lambda function: attrs.embed(Model, validate=[len, function]),
    "marshmallow": lambda function: attrs.bproperty(fields.String(validate=function)).kind,
    "source": lambda function: reference(City, source=function),
    "Meta.on_delete": on_delete,
    "doc_ref": lambda function: in_a_body(ViewModel, doc_ref=1)(property(function)),
    "propagate_change": in_a_body(ViewModel, propagate_change=1),
    "notify": in_a_body(ViewModel, notify=1),
    "new": lambda function: in_a_body(ViewModel, new=1)(classmethod(function)),
    "save": in_a_body(DomainModel, save=1),
    "submit": in_a_body(Form, submit=1),
    "mixin": mixed_in,
    "begin": lambda function: in_a_body(Form, begin=1)(classmethod(function)),
    "mutate_patch": lambda function: in_a_body(Mutation, mutate_patch=1)(classmethod(function)),
    "mutate_delete": lambda function: in_a_body(Mutation, mutate_delete=1)(classmethod(function)),
    "store": in_a_body(Store, refresh=1),
    "on_create": protocol("on_create"),
    "on_update": protocol("on_update"),
    "on_delete": protocol("on_delete"),
    "handlers": protocol_of_another_family,
    "mediator.notify": mediator_method(QueryMediator, "notify"),
    "mediator.authorize": mediator_method(DocumentMediator, "authorize"),
    "mediator.start": mediator_method(QueryTaskMediator, "start"),
    "answer": in_a_body(RestView, answer=1),
    "run_transaction": run_transaction,
    "run_transaction()": run_transaction(max_attempts=2),
    "on_task": lambda f: QueryTaskMediator(query=City.get_query(), on_task=f),
    "authorize": lambda f: DocumentMediator(
        CityView, mutation_cls=CityMutation, patches="patches", authorize=f
    ),
    "f_notify": lambda f: CityView.get("SF", once=False, f_notify=f),
    "execute_transaction": execute_transaction,
    "atomically": CityMutation.atomically,
    "on_commit": lambda f: Transaction(memory_context()[0]).on_commit("City/SF", f),
    "ws.authorize": lambda f: ws(authorize=f),
    "ws.authorize_mutation": lambda f: ws(authorize_mutation=f),
    "ws.on_connect": lambda f: ws(on_connect=f),
    "ws.on_disconnect": lambda f: ws(on_disconnect=f),
    "ws.on_event": lambda f: ws(on_wave=f),
}


def ws(**members: Any) -> Any:
    return type("Live", (WsMediator,), members)(CityView, namespace="/cities")


@pytest.mark.parametrize("kind", ["coroutine", "asynchronous", "generator"])
@pytest.mark.parametrize("declare", DECLARATIONS.values(), ids=DECLARATIONS)
def test_it_is_refused_when_it_is_declared(declare: Any, kind: str) -> None:
    function = {
        "coroutine": coroutine, "asynchronous": asynchronous_generator, "generator": generator,
    }[kind]  # fmt: skip
    with pytest.raises(BoilerError, match=r"nothing awaits it|instead of yielding") as caught:
        declare(function)
    assert isinstance(caught.value, ConfigurationError | DeclarationError)


def test_the_message_names_the_place() -> None:
    with pytest.raises(DeclarationError, match=r"coroutine, a getter, is a coroutine function"):
        attrs.computed(coroutine)
    with pytest.raises(DeclarationError, match=r"Declared\.submit is a coroutine function"):
        in_a_body(Form, submit=1)(coroutine)


def test_what_nobody_here_calls_may_be_asynchronous() -> None:
    class Town(City):
        async def visit(self) -> None: ...

        def walk(self) -> Iterator[int]:
            yield 1

    class Shown(RestView):
        async def dispatch_request(self, **arguments: Any) -> Any: ...

    assert list(Town().walk()) == [1]


def test_what_is_only_iterated_may_be_yielded() -> None:
    context, datastore = memory_context()
    datastore.put("City/SF", obj_type="City", name="SF")
    datastore.put("City/LA", obj_type="City", name="LA")

    def both(store: Any) -> Iterator[str]:
        yield "SF"
        yield "LA"

    class Cities(Store):
        cities = reference(City, many=True, source=both)

    class Placed(ViewModel):
        @property
        def doc_refs(self) -> Iterator[str]:
            yield "a/1"
            yield "a/2"

    with context.activated():
        assert [city.name for city in Cities().cities.values()] == ["SF", "LA"]
    assert Placed().places() == ["a/1", "a/2"]
    with pytest.raises(DeclarationError):
        reference(City, many=True, source=asynchronous_generator)


class TestHidden:
    """Behind a decorator, it is refused when it is called, and nothing comes of it."""

    @pytest.fixture
    def datastore(self) -> Iterator[MemoryDatastore]:
        context, datastore = memory_context()
        with context.activated():
            yield datastore

    def test_in_a_transaction(self, datastore: MemoryDatastore) -> None:
        @run_transaction
        @hide
        async def make() -> None:
            City.new("a").save()

        City.new("b").save()
        with pytest.raises(ConfigurationError, match="nothing awaits it"):
            make()
        assert not datastore.exists("City/a")

    def test_as_a_setter(self, datastore: MemoryDatastore) -> None:
        async def put(self: Any, value: Any) -> None:
            self.name = value

        class Named(Model):
            label = attrs.bproperty().setter(hide(put))

        with pytest.raises(ConfigurationError, match=r"the setter of Named\.label"):
            Named().label = "x"

    def test_as_a_task(self, datastore: MemoryDatastore) -> None:
        from flask_boiler.view.inbox.effects import effect_of

        effect = effect_of(None, hide(coroutine), object(), where="here")
        with pytest.raises(ConfigurationError, match="on_task"), transaction() as tx:
            effect(datastore.get(["City/a"])["City/a"], tx)

    @pytest.mark.parametrize("function", [coroutine, asynchronous_generator, generator])
    def test_its_result_is_no_answer(self, function: Any) -> None:
        said = "instead of yielding" if function is generator else "nothing awaits it"
        with pytest.raises(ConfigurationError, match=said):
            require_result(hide(function)(), "this")

    def test_what_runs_in_a_transaction_may_return_what_is_iterated(
        self, datastore: MemoryDatastore
    ) -> None:
        assert list(CityMutation.atomically(lambda: (n for n in range(2)))) == [0, 1]

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_what_authorizes_a_patch(self, datastore: MemoryDatastore, function: Any) -> None:
        datastore.put("City/SF", obj_type="City", name="SF")
        datastore.put("patches/p", target_city_id="SF")
        mediator = DocumentMediator(
            mutation_cls=CityMutation, patches="patches", authorize=hide(function)
        )
        result = mediator.apply("patches/p")
        assert isinstance(result.error, ConfigurationError)
        assert "authorize" in str(result.error)
        assert datastore.fields("patches/p") == {"target_city_id": "SF"}

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_what_authorizes_a_task(self, datastore: MemoryDatastore, function: Any) -> None:
        datastore.put("City/SF", obj_type="City", name="SF")
        done: list[Any] = []
        mediator = QueryTaskMediator(
            query=City.get_query(),
            on_task=lambda task, transaction: done.append(task),
            authorize=hide(function),
        )
        result = mediator.apply("City/SF")
        assert isinstance(result.error, ConfigurationError)
        assert "authorize" in str(result.error)
        assert done == []

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_a_deleter(self, function: Any) -> None:
        class Named(Model):
            label = attrs.bproperty().deleter(hide(function))

        with pytest.raises(ConfigurationError, match=r"the deleter of Named\.label"):
            del Named().label

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_a_validator(self, function: Any) -> None:
        class Named(Model):
            label = attrs.bproperty(validate=hide(function))

        with pytest.raises(ConfigurationError, match="a validator"):
            Named(label="x").to_dict()

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_propagate_change(self, datastore: MemoryDatastore, function: Any) -> None:
        datastore.put("City/SF", obj_type="City", name="SF")

        class Changed(CityView):
            propagate_change = hide(function)

        class ChangedMutation(Mutation[Changed]):
            view_model_cls = Changed

        with pytest.raises(ConfigurationError, match=r"Changed\.propagate_change"):
            ChangedMutation.mutate_patch("SF", {})
        with pytest.raises(ConfigurationError, match=r"Changed\.propagate_change"):
            ChangedMutation.mutate_create("LA", {})
        assert not datastore.exists("City/LA")

    @pytest.mark.parametrize("function", [coroutine, generator])
    def test_as_what_lets_websocket_clients_in(self, function: Any) -> None:
        app = Flask("cities")
        io = SocketIO(app, async_mode="threading")
        mediator = ws(on_connect=hide(function), on_wave=hide(function))
        io.on_namespace(mediator)
        assert not io.test_client(app, namespace="/cities").is_connected("/cities")
        assert mediator.clients == 0


# What callbacks raise.

TIMEOUT_S = 30


def test_what_is_no_exception_is_a_failure_on_threads_of_ours_alone() -> None:
    pool = DaemonPool(1, name="ours")
    ours = {error: pool.submit(is_failure, error).result(TIMEOUT_S) for error in ERRORS}
    pool.shutdown()
    assert list(ours.values()) == [True, True, True, False]
    assert [is_failure(error) for error in ERRORS] == [True, False, False, False]


ERRORS = [ValueError(), SystemExit(), KeyboardInterrupt(), Incomplete(["a/1"])]


def test_a_failure_is_told_as_what_ends_nobody() -> None:
    error, ending = ValueError("x"), SystemExit("x")
    assert as_exception(error, "a/1") is error
    told = as_exception(ending, "a/1")
    assert str(told) == "a/1 was ended by SystemExit('x')"
    assert told.__cause__ is ending
