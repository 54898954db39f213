"""``OMIT``: what a getter returns that leaves its field out, and where it means nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.model_state import OMIT, Omit
from flask_boiler.attrs.operators import F
from flask_boiler.contracts.openapi.schemas import Schemas
from flask_boiler.errors import DeclarationError, MaterializationError, QueryError, ValidationError
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.view.mediation.representation import Representation
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Badge(Model):
    text: Attr[str]

    @attrs.computed
    def colour(self) -> str | Omit:
        return OMIT if self.text == "plain" else "red"


class Runner(DomainModel):
    name: Attr[str]
    time: Attr[int | None] = attrs.bproperty(default=None)
    note = attrs.bproperty()

    @attrs.computed
    def medal(self) -> str | Omit:
        return "gold" if self.time == 1 else OMIT


class RunnerStore(Store):
    runner = root(Runner)


class RunnerView(ViewModel):
    store: RunnerStore

    name: Attr[str] = attrs.through("runner.name")
    medal: Attr[str | Omit] = attrs.through("runner.medal")
    badge: Attr[Badge] = attrs.bproperty()
    time: Attr[int | Omit | None] = attrs.bproperty()
    untyped = attrs.bproperty()

    class Meta:
        path = "runners/{runner.doc_id}"

    @badge.getter
    def _get_badge(self) -> Badge:
        return Badge(text=self.store.runner.name)

    @time.getter
    def _get_time(self) -> int | Omit | None:
        return OMIT if self.store.runner.time == 0 else self.store.runner.time

    @time.setter
    def _set_time(self, value: int | Omit | None) -> None:
        assert value is not OMIT
        self.store.runner.time = value

    @untyped.getter
    def _get_untyped(self) -> Any:
        return OMIT if self.store.runner.time == 0 else 1


class RunnerMutation(Mutation[RunnerView]):
    pass


def view_of(name: str, time: int | None) -> RunnerView:
    return RunnerView.new(runner=Runner(name=name, time=time))


def test_what_a_getter_leaves_out_is_not_there_and_none_is() -> None:
    assert view_of("plain", 0).to_document() == {
        "name": "plain",
        "badge": {"text": "plain", "obj_type": "Badge"},
    }
    assert view_of("plain", None).to_view_dict() == {
        "name": "plain",
        "badge": {"text": "plain"},
        "time": None,
        "untyped": 1,
    }
    assert view_of("ann", 1).to_view_dict() == {
        "name": "ann",
        "badge": {"text": "ann", "colour": "red"},
        "medal": "gold",
        "time": 1,
        "untyped": 1,
    }


def test_its_json_has_no_member_for_it() -> None:
    assert Representation.of_view(view_of("plain", 0)).body == {
        "name": "plain",
        "badge": {"text": "plain"},
    }
    assert Representation.of_view(view_of("ann", 1)).body["badge"]["colour"] == "red"
    assert RunnerView.schema().dump(view_of("plain", 0)).keys() == {"name", "badge"}


def test_the_view_itself_says_what_it_leaves_out() -> None:
    view = view_of("ann", 0)
    assert view.time is OMIT
    assert view.dump_attribute("time") is OMIT
    assert repr(view.time) == "OMIT"


def test_a_stored_view_says_so_too() -> None:
    _, datastore = memory_context()
    datastore.put("runners/a", name="ann", badge={"text": "x"}, untyped=1)
    snapshot: Snapshot = datastore.get(["runners/a"])["runners/a"]
    stored = RunnerView.from_snapshot(snapshot)
    assert (stored.name, stored.medal, stored.time) == ("ann", OMIT, OMIT)
    shown = Representation.of_snapshot(RunnerView, snapshot).body
    assert shown.keys() == {"name", "badge", "untyped"}


def test_a_document_of_a_domain_model_loses_the_field() -> None:
    context, datastore = memory_context()
    with context.activated():
        runner = Runner(doc_id="a", name="ann", time=1)
        runner.save()
        assert datastore.fields("Runner/a")["medal"] == "gold"
        runner.time = 2
        runner.save()
        assert "medal" not in datastore.fields("Runner/a")
        commits = len(datastore.commits)
        Runner.get_or_raise("a").save()
        assert len(datastore.commits) == commits, "nothing has changed"


#: As code without types makes it.
RUNNER: Any = Runner

SETS: dict[str, Any] = {
    "a value": lambda: RUNNER(name=OMIT),
    "one of any type": lambda: RUNNER(name="a", note=OMIT),
    "a setter's": lambda: setattr(view_of("a", 1), "time", OMIT),
    "input": lambda: Runner(name="a").update_vals(with_dict={"note": OMIT}),
    "input of a view": lambda: view_of("a", 1).update_vals(with_dict={"time": OMIT}),
}


@pytest.mark.parametrize("case", SETS)
def test_it_is_no_value(case: str) -> None:
    with pytest.raises(ValidationError, match="OMIT is no value: only a getter may return it"):
        SETS[case]()


def test_it_is_no_part_of_a_value() -> None:
    for value in ([OMIT], {"x": OMIT}):
        with pytest.raises(ValidationError, match="OMIT leaves out a whole field"):
            RUNNER(name="a", note=value).to_dict()


def test_no_query_asks_for_it() -> None:
    asked: list[Callable[[], Any]] = [
        lambda: Runner.where(Runner.time == OMIT),
        lambda: Runner.where(note=OMIT),
        lambda: Runner.where(Runner.note.in_([OMIT])),
        lambda: Runner.where(F("other") == OMIT),
        lambda: Runner.where(medal=OMIT),
    ]
    for ask in asked:
        with pytest.raises(QueryError, match="OMIT"):
            ask()


def test_a_type_that_has_only_values_does_not_allow_it() -> None:
    class Wrong(ViewModel):
        store: RunnerStore

        @attrs.computed
        def rank(self) -> int:
            return OMIT  # type: ignore[return-value]

    with pytest.raises((MaterializationError, ValidationError), match=r"rank.*int \| Omit"):
        Wrong.new(runner=Runner(name="a")).to_document()


def test_what_is_never_computed_is_never_left_out() -> None:
    with pytest.raises(DeclarationError, match=r"Stored\.rank has a type with Omit, and no getter"):

        class Stored(DomainModel):
            rank: Attr[int | Omit]

    with pytest.raises(DeclarationError, match="default=OMIT"):
        attrs.bproperty(default=OMIT)


def test_only_a_whole_field_is_left_out() -> None:
    with pytest.raises(DeclarationError, match="Omit inside of a type"):

        class Partly(ViewModel):
            @attrs.computed
            def ranks(self) -> list[int | Omit]:
                return []

    with pytest.raises(DeclarationError, match="no value but None or OMIT"):

        class Never(ViewModel):
            @attrs.computed
            def rank(self) -> Omit | None:
                return None


def test_types_that_allow_it_are_understood_however_they_are_written() -> None:
    Alias = Annotated[int | Omit, "a rank"]

    class Ranked(ViewModel):
        @attrs.computed
        def rank(self) -> Alias:
            return OMIT

        @attrs.computed(type=int | Omit)
        def other(self) -> Any:
            return OMIT

        @attrs.computed
        def anything(self) -> Any | Omit:
            return OMIT

    assert Ranked(store=None).to_document() == {}
    assert [a.says_omit for a in Ranked.attributes().values()] == [True, True, True]


def test_schemas_do_not_require_what_may_be_left_out() -> None:
    schemas = Schemas()
    schemas.view(RunnerView)
    assert schemas.named["RunnerView"]["required"] == ["name", "badge", "untyped"]
    assert "colour" not in schemas.named["Badge"].get("required", [])


def test_who_puts_a_view_need_not_give_what_was_left_out() -> None:
    context, datastore = memory_context()
    with context.activated():
        Runner(doc_id="a", name="ann", time=0).save()
        RunnerMutation.mutate_put("a", {"name": "bob"})
    assert datastore.fields("Runner/a")["name"] == "bob"
    assert datastore.fields("Runner/a")["time"] == 0


def test_a_path_is_never_filled_with_it() -> None:
    class ByMedal(ViewModel):
        store: RunnerStore

        class Meta:
            path = "winners/{runner.medal}"

    context, _ = memory_context()
    with context.activated():
        assert ByMedal.new(runner=Runner(name="a", time=1)).places() == ["winners/gold"]
        with pytest.raises(MaterializationError, match=r"runner\.medal, which is OMIT"):
            ByMedal.new(runner=Runner(name="a", time=2)).places()
