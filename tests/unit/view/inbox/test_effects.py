"""Views that tasks store: which one a task says that it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore, memory_context
from flask_boiler.view.mediation.inbox import TaskState
from flask_boiler.view.query_task_mediator import QueryTaskMediator
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Result(DomainModel):
    season = attrs.bproperty()
    goals: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "results"


class SeasonStore(Store):
    season = param(str)

    @reference(Result, many=True)
    def results(self) -> Query[Result]:
        return Result.where(season=self.season)


class SeasonGoals(ViewModel):
    store: SeasonStore

    class Meta:
        path = "goals/{season}"

    @attrs.computed
    def goals(self) -> int:
        return sum(result.goals for result in self.store.results.values())


class ResultStore(Store):
    result = root(Result)
    season = param(str)


class ResultOfSeason(ViewModel):
    store: ResultStore

    class Meta:
        path = "goals/{season}/of/{result.doc_id}"

    @attrs.computed
    def goals(self) -> int:
        return self.store.result.goals


class ReaderStore(Store):
    result = root(Result)
    reader = each(str, source=lambda store: ["a"])


class OfReader(ViewModel):
    store: ReaderStore

    class Meta:
        path = "goals/{result.doc_id}/of/{reader}"


class AllStore(Store):
    results = reference(Result, many=True, source=lambda store: Result.get_query())


class AllGoals(ViewModel):
    store: AllStore

    class Meta:
        path = "goals/all"


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    with memory_context() as datastore:
        yield datastore


@pytest.mark.parametrize(
    ("view_cls", "place"), [(SeasonGoals, "goals/2024"), (ResultOfSeason, "goals/2024/of/a")]
)
def test_a_task_names_the_view_by_its_attributes(
    datastore: MemoryDatastore, view_cls: type[ViewModel], place: str
) -> None:
    Result.new("a", season="2024", goals=3).save()
    mediator = QueryTaskMediator(view_cls, query=Result.get_query(), mark="ledger")
    assert mediator.apply("results/a").state is TaskState.DONE
    assert datastore.documents[place].fields["goals"] == 3


def test_a_task_that_does_not_say_it_is_parked(datastore: MemoryDatastore) -> None:
    Result.new("a", goals=3).save()
    mediator = QueryTaskMediator(SeasonGoals, query=Result.get_query(), mark="ledger")
    result = mediator.apply("results/a")
    assert result.state is TaskState.PARKED
    assert "results/a does not say which season: it is not set" in str(result.error)


@pytest.mark.parametrize(
    ("view_cls", "said"),
    [
        (OfReader, "is of result, reader, and one document has to say which view"),
        (AllGoals, "is of nothing, as there is one, and one document has to say"),
    ],
)
def test_a_view_that_a_task_cannot_name_is_refused(view_cls: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        QueryTaskMediator(view_cls, query=Result.get_query())
