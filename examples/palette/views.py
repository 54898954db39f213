"""The views: a rainbow with its colours, and each colour."""

# A setter below its getter is the same attribute; type checkers take it for another.
# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import re

from examples.palette.models import Color, Rainbow
from flask_boiler import Attr, Mutation, Store, ViewModel, attrs, reference
from flask_boiler.errors import ValidationError

__all__ = ["ColorMutation", "ColorView", "RainbowMutation", "RainbowView"]

_SHADE = re.compile(r"#[0-9a-f]{6}")


class RainbowStore(Store):
    rainbow = reference(Rainbow)
    colors = reference(Color, many=True, source=lambda store: store.rainbow.colors)


class RainbowView(ViewModel):
    store: RainbowStore

    rainbow_name: Attr[str] = attrs.through("rainbow.rainbow_name")

    @attrs.computed
    def colors(self) -> list[dict[str, str]]:
        return [
            {"id": doc_id, "name": color.name, "shade": color.shade}
            for doc_id, color in self.store.colors.items()
        ]


class RainbowMutation(Mutation[RainbowView]):
    pass


class ColorStore(Store):
    color = reference(Color)


class ColorView(ViewModel):
    store: ColorStore

    shade: Attr[str] = attrs.bproperty()

    name = attrs.through("color.name", import_enabled=False)

    @shade.getter
    def shade(self) -> str:
        return self.store.color.shade

    @shade.setter
    def shade(self, value: str) -> None:
        if not _SHADE.fullmatch(value):
            raise ValidationError({"shade": ["Expected something like #ff0000."]})
        self.store.color.shade = value


class ColorMutation(Mutation[ColorView]):
    pass
