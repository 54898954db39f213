"""What attributes ask of the objects that have them, and that models and views answer all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attributed import Attributed, AttributedDocument
from flask_boiler.attrs.model_state import UNSET, ModelState
from flask_boiler.attrs.relations import NestingDocument
from flask_boiler.attrs.through import PassingView
from flask_boiler.errors import ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.view_model import ViewModel


class Card(Attributed):
    """What has attributes and is no model."""

    title = attrs.bproperty(str)
    tags = attrs.bproperty(list[str], default_factory=list)

    def __init__(self, **stored: Any) -> None:
        self._model_state = ModelState(stored)

    def _where(self) -> str:
        return "a card"


for name in ("title", "tags"):
    vars(Card)[name].bind(Card, name, name.upper())


class TestWhatIsNoModel:
    def test_it_has_values(self) -> None:
        card = Card(TITLE="Ace")
        assert (card.title, card.tags) == ("Ace", [])
        card.title = "King"
        assert vars(Card)["title"].dump(card) == "King"

    def test_what_is_stored_wrongly_is_said_of_it(self) -> None:
        with pytest.raises(ValidationError, match=r"a card.*title.*expected str, not 3"):
            _ = Card(TITLE=3).title

    def test_it_has_no_value(self) -> None:
        assert vars(Card)["tags"].held_by(Card()) == []
        assert vars(Card)["title"].held_by(Card()) is UNSET


def asked_by(cls: type) -> Iterator[str]:
    return (name for name, value in vars(cls).items() if callable(value) or _is_method(value))


def _is_method(value: object) -> bool:
    return isinstance(value, classmethod | property)


@pytest.mark.parametrize(
    ("base", "answers"),
    [
        (Attributed, Model),
        (Attributed, ViewModel),
        (AttributedDocument, DomainModel),
        (NestingDocument, DomainModel),
        (PassingView, ViewModel),
    ],
)
def test_models_and_views_answer_all_that_is_asked(base: type, answers: type) -> None:
    answered_below = {name for cls in answers.__mro__ if not _asks(cls) for name in vars(cls)}
    assert issubclass(answers, base)
    assert set(asked_by(base)) - answered_below - {"_collections", "doc_path"} == set()


def _asks(cls: type) -> bool:
    return cls in (Attributed, AttributedDocument, NestingDocument, PassingView, object)
