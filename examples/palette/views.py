"""The views: a rainbow with its colours, and each colour."""

from __future__ import annotations

from examples.palette.models import Color, Rainbow
from flask_boiler import Attr, Mutation, Store, ViewModel, attrs, reference, root

__all__ = ["ColorMutation", "ColorView", "RainbowMutation", "RainbowView"]


class RainbowStore(Store):
    rainbow = root(Rainbow)
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
    color = root(Color)


class ColorView(ViewModel):
    store: ColorStore

    shade: Attr[str] = attrs.through("color.shade")
    name = attrs.through("color.name", import_enabled=False)


class ColorMutation(Mutation[ColorView]):
    pass
