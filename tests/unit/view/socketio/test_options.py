"""What clients say and what mediators allow, checked."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.errors import ConfigurationError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.socketio.admission import Admission
from flask_boiler.view.socketio.arguments import ViewArguments, check_size
from flask_boiler.view.socketio.options import SubscriptionOptions, WsLimits
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Boat(DomainModel):
    class Meta:
        collection_name = "boats"


class Harbour(DomainModel):
    class Meta:
        collection_name = "harbours"


class BoatStore(Store):
    boat = reference(Boat)


class BerthStore(Store):
    boat = reference(Boat)
    harbour = reference(Harbour)


class BoatView(ViewModel):
    store: BoatStore


class BerthView(ViewModel):
    store: BerthStore


class Fleet(ViewModel):
    names = attrs.bproperty()

    @classmethod
    def new(cls, boat_ids: list[str], limit: int = 3) -> Fleet:
        fleet = cls(store=Store())
        fleet.names = boat_ids[:limit]
        return fleet


class Handmade(ViewModel):
    @classmethod
    def new(cls, snapshot: Any) -> Handmade:
        return cls(store=BoatStore(boat=snapshot))


@pytest.mark.parametrize(
    ("view_cls", "given", "wrong"),
    [
        (BoatView, {}, {"doc_id"}),
        (BoatView, {"doc_id": 5}, {"doc_id"}),
        (BoatView, {"doc_id": "harbours/x"}, {"doc_id"}),
        (BoatView, {"doc_id": "", "more": 1}, {"doc_id", "more"}),
        (BerthView, {"boat": "b"}, {"harbour"}),
        (BerthView, {"boat": "a/b", "harbour": "h"}, {"boat"}),
        (Fleet, {"boat_ids": "abc"}, {"boat_ids"}),
        (Fleet, {"boat_ids": [1], "limit": "x"}, {"boat_ids", "limit"}),
        (Fleet, {"limit": 1}, {"boat_ids"}),
    ],
)
def test_wrong_arguments_are_named(
    view_cls: type[ViewModel], given: dict[str, Any], wrong: set[str]
) -> None:
    with pytest.raises(ValidationError) as refused:
        ViewArguments(view_cls).checked(given)
    assert refused.value.messages.keys() == wrong


def test_right_arguments_are_taken() -> None:
    assert ViewArguments(BerthView).checked({"boat": "b", "harbour": "h"}) == {
        "boat": "b",
        "harbour": "h",
    }
    fleet = ViewArguments(Fleet)
    built: Any = fleet.build(fleet.checked({"boat_ids": ["a", "b"], "limit": 1}))
    assert built.names == ["a"]


def test_a_view_of_a_snapshot_needs_to_know_whose() -> None:
    with pytest.raises(ConfigurationError, match="root="):
        ViewArguments(Handmade)
    assert ViewArguments(Handmade, Boat).checked({"doc_id": "b"}) == {"doc_id": "b"}


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"update": "full"},
        {"updates": "patch"},
        {"updates": ["full"]},
        {"min_interval_s": -1},
        {"min_interval_s": True},
        {"min_interval_s": float("nan")},
        {"version": "1"},
        {"version": 2**60},
    ],
)
def test_wrong_options_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        SubscriptionOptions.of(wrong)


def test_right_options_are_taken() -> None:
    given = {"updates": "json-patch", "min_interval_s": 1, "version": None}
    assert SubscriptionOptions.of(given) == SubscriptionOptions("json-patch", 1, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_subscriptions": 0},
        {"linger_s": -1},
        {"admissions_per_s": 0.0},
        {"max_connection_s": 0},
        {"history": None},
        {"timeout_s": None},
    ],
)
def test_limits_that_allow_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="WsLimits"):
        WsLimits(**wrong)


def test_a_herd_is_admitted_one_after_the_other() -> None:
    now = 50.0
    admission = Admission(10.0, lambda: now)
    assert [admission.wait_s(at_most_s=0.25) for _ in range(4)] == pytest.approx(
        [0.0, 0.1, 0.2, None]
    )
    now += 1.0
    assert admission.wait_s(at_most_s=0.25) == 0.0
    assert Admission(None).wait_s(at_most_s=0.0) == 0.0


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "given",
    [
        _nested(100 * sys.getrecursionlimit()),
        math.nan,
        {"deep": [-math.inf]},
        b"binary",
    ],
    ids=["deep", "nan", "infinity", "binary"],
)
def test_what_is_no_json_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="Expected JSON"):
        check_size(WsLimits(), given)
