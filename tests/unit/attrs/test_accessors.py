"""Getters, setters, deleters and inits whose functions have names of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Lamp(Model):
    level: Attr[int] = attrs.bproperty(default=0)
    serial: Attr[str] = attrs.bproperty()

    @attrs.computed
    def lit(self) -> bool:
        """Whether it gives light."""
        return self.level > 0

    @lit.setter
    def _set_lit(self, value: bool) -> None:
        self.level = 1 if value else 0

    @lit.deleter
    def _delete_lit(self) -> None:
        self.level = 0

    @serial.init
    def _init_serial(self) -> str:
        return "new"


def test_the_attribute_has_the_functions_and_the_class_no_other_attribute() -> None:
    lamp = Lamp.new()
    lamp.lit = True
    assert (lamp.lit, lamp.level, lamp.serial) == (True, 1, "new")
    del lamp.lit
    assert (lamp.lit, lamp.level) == (False, 0)
    assert list(Lamp.attributes()) == ["level", "serial", "lit"]
    assert Lamp.attributes()["lit"].__doc__ == "Whether it gives light."
    assert lamp.to_view_dict() == {"level": 0, "serial": "new", "lit": False}


def test_the_function_stays_a_method_under_its_name() -> None:
    lamp = Lamp()
    Lamp._set_lit(lamp, True)  # type: ignore[operator]
    assert lamp.level == 1


def test_underscore_may_name_all_of_them() -> None:
    class Pair(Model):
        left = attrs.bproperty()
        right = attrs.bproperty()
        log: Attr[list[Any]] = attrs.bproperty(default_factory=list)

        @left.setter
        def _(self, value: Any) -> None:
            self.log = [*self.log, ("left", value)]

        @right.setter
        def _(self, value: Any) -> None:
            self.log = [*self.log, ("right", value)]

    pair = Pair()
    pair.left, pair.right = 1, 2
    assert pair.log == [("left", 1), ("right", 2)]
    assert list(Pair.attributes()) == ["left", "right", "log"]


def test_both_spellings_may_meet_in_a_class() -> None:
    class Meeting(Model):
        status: Attr[str]
        running: Attr[bool] = attrs.bproperty()

        @running.setter
        def _set_running(self, value: bool) -> None:
            self.status = "running" if value else "closed"

        @running.getter  # type: ignore[no-redef]
        def running(self) -> bool:
            return self.status == "running"

    meeting = Meeting(status="closed")
    meeting.running = True
    assert meeting.status == "running"
    assert list(Meeting.attributes()) == ["status", "running"]


def test_a_subclass_changes_its_own_attribute_only() -> None:
    class Dimmed(Lamp):
        @Lamp.lit.getter
        def _get_lit(self) -> bool:
            return self.level > 5

        @Lamp.lit.setter
        def _set_lit(self, value: bool) -> None:
            self.level = 9 if value else 0

    lamp, dimmed = Lamp(), Dimmed()
    lamp.lit = dimmed.lit = True
    assert (lamp.level, dimmed.level) == (1, 9)
    dimmed.level = 3
    assert (lamp.lit, dimmed.lit) == (True, False)
    assert list(Dimmed.attributes()) == ["level", "serial", "lit"]


def test_a_mixin_has_them_too() -> None:
    class Switched:
        on = attrs.bproperty(bool, default=False)

        @on.setter
        def _set_on(self, value: bool) -> None:
            type(self).on.put(self, not value)  # type: ignore[arg-type]

    class Radio(Switched, Model):
        @Switched.on.getter
        def _get_on(self) -> bool:
            return not type(self).on.value_of(self)

    radio = Radio()
    radio.on = True
    assert radio.on is True
    assert list(Radio.attributes()) == ["on"]


def test_a_decorator_in_between_does_not_matter() -> None:
    def twice(function: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        @functools.wraps(function)
        def put(self: Any, value: int) -> None:
            function(self, 2 * value)

        return put

    class Scale(Model):
        weight: Attr[int] = attrs.bproperty()

        @weight.setter
        @twice
        def _set_weight(self, value: int) -> None:
            type(self).weight.put(self, value)

    scale = Scale()
    scale.weight = 4
    assert scale.weight == 8


def test_what_is_called_rather_than_decorated_is_a_copy() -> None:
    class Box(Model):
        width: Attr[int] = attrs.bproperty(default=2)
        depth = width.getter(lambda self: 7)

        def _size(self) -> int:
            return 9

        height = width.getter(_size)

    assert Box().to_view_dict() == {"width": 2, "depth": 7, "height": 9}


def test_an_attribute_that_passes_through_may_have_a_setter() -> None:
    class Ship(DomainModel):
        title: Attr[str]

    class ShipStore(Store):
        ship = reference(Ship)

    class ShipView(ViewModel):
        store: ShipStore
        title: Attr[str] = attrs.through("ship.title")

        @title.setter
        def _set_title(self, value: str) -> None:
            self.store.ship.title = value.upper()  # type: ignore[union-attr]

    view = ShipView(store=ShipStore(ship=Ship.new(doc_id="s", title="Argo")))
    view.title = "Fram"
    assert view.title == "FRAM"


class TestRefused:
    def test_two_setters(self) -> None:
        with pytest.raises(DeclarationError, match=r"Wrong\._put is a second setter of lit, besi"):

            class Wrong(Model):
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter
                def _set_lit(self, value: bool) -> None: ...

                @lit.setter
                def _put(self, value: bool) -> None: ...

    def test_two_setters_of_both_spellings(self) -> None:
        with pytest.raises(
            DeclarationError, match="lit is a second setter of lit, beside _set_lit"
        ):

            class Wrong(Model):
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter
                def _set_lit(self, value: bool) -> None: ...

                @lit.setter  # type: ignore[no-redef]
                def lit(self, value: bool) -> None: ...

    def test_a_getter_of_what_is_computed(self) -> None:
        with pytest.raises(
            DeclarationError, match="_get_lit is a second getter of lit, beside lit"
        ):

            class Wrong(Model):
                @attrs.computed
                def lit(self) -> bool:
                    return True

                @lit.getter
                def _get_lit(self) -> bool:
                    return False

    def test_two_setters_of_what_is_inherited(self) -> None:
        with pytest.raises(DeclarationError, match="second setter of lit"):

            class Wrong(Lamp):
                @Lamp.lit.setter
                def _set_lit(self, value: bool) -> None: ...

                @Lamp.lit.setter
                def _put(self, value: bool) -> None: ...

    def test_the_name_of_another_attribute(self) -> None:
        said = "Wrong.colour is a setter of lit and has the name of another attribute: call it _set"
        with pytest.raises(DeclarationError, match=said):

            class Wrong(Model):
                colour = attrs.bproperty()
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter  # type: ignore[no-redef]
                def colour(self, value: bool) -> None: ...  # noqa: F811

    def test_the_name_of_an_attribute_that_is_inherited(self) -> None:
        with pytest.raises(
            DeclarationError, match=r"Wrong\.level is a setter of dim and has the name"
        ):

            class Wrong(Lamp):
                dim: Attr[int] = attrs.bproperty()

                @dim.setter  # type: ignore[misc]
                def level(self, value: int) -> None: ...

    def test_the_name_of_an_attribute_that_is_only_annotated(self) -> None:
        with pytest.raises(DeclarationError, match="a function there has the same name"):

            class Wrong(Model):
                colour: Attr[str]
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter  # type: ignore[no-redef]
                def colour(self, value: bool) -> None: ...

    def test_the_name_of_a_method_of_the_framework(self) -> None:
        said = r"Wrong\.update is a setter of lit, and would hide DomainModel\.update: give the fun"
        with pytest.raises(DeclarationError, match=said):

            class Wrong(DomainModel):
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter
                def update(self, value: bool) -> None: ...  # type: ignore[override]

    def test_an_attribute_of_another_class(self) -> None:
        with pytest.raises(
            DeclarationError, match="not derived from Lamp: declare an attribute lit"
        ):

            class Wrong(Model):
                @Lamp.lit.setter
                def _set_lit(self, value: bool) -> None: ...

    def test_an_attribute_that_the_class_declares_anew(self) -> None:
        with pytest.raises(
            DeclarationError, match="the class declares another lit: decorate it with"
        ):

            class Wrong(Lamp):
                lit: Attr[bool] = attrs.bproperty()

                @Lamp.lit.setter
                def _set_lit(self, value: bool) -> None: ...

    def test_a_coroutine_function(self) -> None:
        with pytest.raises(DeclarationError, match="a setter"):

            class Wrong(Model):
                lit: Attr[bool] = attrs.bproperty()

                @lit.setter  # type: ignore[arg-type]
                async def _set_lit(self, value: bool) -> None: ...
