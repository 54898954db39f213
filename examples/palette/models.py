"""The domain models: colours, and rainbows, which have a list of colours."""

from __future__ import annotations

from marshmallow import validate

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Color", "Rainbow", "save_a_rainbow"]

_SHADE = validate.Regexp(r"#[0-9a-f]{6}\Z", error="Expected something like #ff0000.")


class Color(DomainModel):
    name: Attr[str]
    shade: Attr[str] = attrs.bproperty(doc="As CSS has it, such as #ff0000.", validate=_SHADE)


class Rainbow(DomainModel):
    rainbow_name: Attr[str]
    colors = attrs.relation(Color, many=True)


def save_a_rainbow() -> None:
    """Save three colours and a rainbow with them."""
    shades = {"red": "#d62728", "amber": "#ffb000", "violet": "#7b4fb5"}
    for name, shade in shades.items():
        Color.new(doc_id=name, name=name, shade=shade).save()
    Rainbow.new(doc_id="dawn", rainbow_name="Dawn", colors=list(shades)).save()
