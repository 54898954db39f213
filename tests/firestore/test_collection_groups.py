"""Documents of one id below two parents, in live views, mediators, tasks and patches."""

# mypy: disable-error-code="no-redef"

from __future__ import annotations

from typing import Any

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DocumentMediator,
    DomainModel,
    Mutation,
    QueryMediator,
    QueryTaskMediator,
    Store,
    Transaction,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.testing import Settle

ONE, OTHER = "Stall/a/opinions/r1", "Stall/b/opinions/r1"


class Stall(DomainModel):
    name: Attr[str]


class Opinion(DomainModel):
    stars: Attr[int]

    class Meta:
        collection_name = "opinions"
        parent = Stall


class StallStore(Store):
    stall: Any = reference(Stall)
    five = reference(Opinion, many=True, source=lambda store: Opinion.where(stars=5))


class StallView(ViewModel):
    store: StallStore

    class Meta:
        path = "stallView/{stall.doc_id}"

    @attrs.computed
    def five(self) -> dict[str, int]:
        return {key: opinion.stars for key, opinion in self.store.five.items()}

    @attrs.computed
    def count(self) -> int:
        return Opinion.where(stars=5).count()


class OpinionStore(Store):
    opinion: Any = reference(Opinion)


class OpinionView(ViewModel):
    store: OpinionStore
    stars: Attr[int] = attrs.bproperty()

    class Meta:
        path = "{opinion.doc_path}/views/main"

    @stars.getter
    def stars(self) -> int:
        return int(self.store.opinion.stars)

    @stars.setter
    def stars(self, value: int) -> None:
        self.store.opinion.stars = value


class NarrowView(OpinionView):
    class Meta:
        path = "opinionView/{opinion.doc_id}"


class OpinionMutation(Mutation[OpinionView]):
    pass


def save() -> None:
    for parent in ("a", "b"):
        Stall.new(parent, name=parent).save()
        Opinion.new("r1", parent=parent, stars=5).save()


def stored(path: str) -> dict[str, Any]:
    return CTX.db.document(path).get().to_dict() or {}


def test_a_live_view_has_both(boiler: Boiler, settle: Settle) -> None:
    save()
    boiler.add(QueryMediator(StallView, query=Stall.all()))
    boiler.start()
    settle()
    assert stored("stallView/a")["five"] == {ONE: 5, OTHER: 5}
    assert stored("stallView/a")["count"] == 2
    Opinion.get_or_raise(doc_ref=ONE).update(stars=1)
    settle()
    assert stored("stallView/a")["five"] == {OTHER: 5}


def test_each_has_a_view_of_its_own(boiler: Boiler, settle: Settle) -> None:
    save()
    boiler.add(QueryMediator(OpinionView, query=Opinion.all()))
    boiler.start()
    settle()
    assert [stored(f"{path}/views/main")["stars"] for path in (ONE, OTHER)] == [5, 5]
    Opinion.get_or_raise(doc_ref=OTHER).update(stars=2)
    settle()
    assert [stored(f"{path}/views/main")["stars"] for path in (ONE, OTHER)] == [5, 2]
    assert OpinionView.get(OTHER).stars == 2


def test_one_place_for_both_parks_one_and_says_why(boiler: Boiler, settle: Settle) -> None:
    save()
    boiler.add(QueryMediator(NarrowView, query=Opinion.all()))
    boiler.start()
    settle()
    [parked] = boiler.parked
    assert parked.key.subject in (ONE, OTHER)
    assert "have the same id" in str(parked.error)
    assert "{root.doc_path}/views/main" in str(parked.error)


def test_both_are_tasks(boiler: Boiler, settle: Settle) -> None:
    save()

    def take(task: Opinion, transaction: Transaction) -> None:
        stall = Stall.get_or_raise(task.doc_path.split("/")[1])
        stall.name += "!"
        stall.save()

    boiler.add(QueryTaskMediator(query=Opinion.all(), on_task=take, key="Stall/{id}"))
    boiler.start()
    settle()
    assert [stall.name for stall in Stall.all()] == ["a!", "b!"]
    assert Opinion.all().count() == 0


def test_a_patch_names_its_target_by_path(boiler: Boiler, settle: Settle) -> None:
    save()
    boiler.add(DocumentMediator(mutation_cls=OpinionMutation, patches="patches"))
    boiler.start()
    CTX.db.document("patches/p").set({"target_opinion_id": OTHER, "stars": 3})
    CTX.db.document("patches/q").set({"target_opinion_id": "r1", "stars": 3})
    settle()
    assert "error" not in stored("patches/p")
    assert "error" in stored("patches/q")
    assert [Opinion.get_or_raise(doc_ref=path).stars for path in (ONE, OTHER)] == [5, 3]
