"""Paths with placeholders."""

import pytest

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.path_pattern import PathPattern

FORMS = PathPattern("users/{uid}/forms/{form_id}")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("users/ada/forms/f1", {"uid": "ada", "form_id": "f1"}),
        ("users/ada/other/f1", None),
        ("users/ada/forms", None),
        ("users/ada/forms/f1/more/m", None),
    ],
)
def test_matching(path: str, found: dict[str, str] | None) -> None:
    assert FORMS.match(path) == found


def test_the_beginning_of_a_path() -> None:
    users = PathPattern("users/{uid}")
    assert users.beginning("users/ada/forms/f1") == "users/ada"
    assert users.beginning("cities/SF/forms/f1") is None
    assert users.beginning("users") is None


def test_filling() -> None:
    assert FORMS.filled({"uid": "ada", "form_id": "f1"}) == "users/ada/forms/f1"
    with pytest.raises(KeyError, match="form_id"):
        FORMS.filled({"uid": "ada"})


@pytest.mark.parametrize("text", ["", "users//x", "users/{}", "users/{a-b}", "{a}/b/{a}/c"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ConfigurationError):
        PathPattern(text)
