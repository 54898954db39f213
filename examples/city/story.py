"""The steps of the demo: each is a function, whose code is shown and run."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.city.models import City, Municipality
from examples.observer import Kind, Observer

__all__ = ["STORY", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step: what is done, and what another client sees.

    :param view: the path of the view document that is concerned.
    :param kind: how it changes; ``None`` if it is not written at all.
    :param fields: what it has then.
    :param made: another document that is there then, with some of its fields.
    """

    act: Callable[[Observer], None]
    view: str
    kind: Kind | None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    made: tuple[str, Mapping[str, Any]] | None = None

    @property
    def title(self) -> str:
        """The title of the step, in a few words."""
        return inspect.cleandoc(self.act.__doc__ or "").removesuffix(".")

    @property
    def code(self) -> list[str]:
        """The lines of code of the step."""
        lines, _ = inspect.getsourcelines(self.act)
        return textwrap.dedent("".join(lines[2:])).rstrip().splitlines()


def save_a_city(client: Observer) -> None:
    """A city is saved: its view appears."""
    City.new(doc_id="SF", city_name="San Francisco", country="USA").save()


def change_what_is_shown(client: Observer) -> None:
    """Its name changes: so does the view."""
    City.get_or_raise("SF").update(city_name="San Fran")


def change_what_is_not_shown(client: Observer) -> None:
    """Its population changes, which the view does not read: nothing is published."""
    City.get_or_raise("SF").update(population=873_965)


def create_a_form(client: Observer) -> None:
    """A front end writes a form: a city is made from it, and its view appears."""
    form = {"name": "Los Angeles", "state": "CA", "country": "USA"}
    client.create("users/uid1/cityForms/LA", form)


def save_a_subclass(client: Observer) -> None:
    """A city of another class is saved: it has a full name of another kind."""
    Municipality.new(doc_id="BJ", city_name="Beijing", country="China").save()


def delete_a_city(client: Observer) -> None:
    """A city is deleted: its view is deleted, too."""
    City.get_or_raise("SF").delete()


STORY = (
    Step(save_a_city, "cityView/SF", "added", {"name": "San Francisco", "country": "USA"}),
    Step(change_what_is_shown, "cityView/SF", "changed", {"name": "San Fran"}),
    Step(change_what_is_not_shown, "cityView/SF", None),
    Step(
        create_a_form,
        "cityView/LA",
        "added",
        {"name": "Los Angeles, CA", "country": "USA"},
        made=("City/LA", {"cityName": "Los Angeles", "state": "CA", "country": "USA"}),
    ),
    Step(
        save_a_subclass,
        "cityView/BJ",
        "added",
        {"name": "Beijing Municipality", "country": "China"},
    ),
    Step(delete_a_city, "cityView/SF", "removed"),
)
