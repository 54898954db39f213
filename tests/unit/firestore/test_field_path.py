"""Field paths are quoted as google's own client reads them."""

from __future__ import annotations

import pytest
from google.cloud.firestore_v1.field_path import FieldPath
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.firestore.field_path import field_path

field_names = st.text(min_size=1, max_size=8)


@given(st.lists(field_names, min_size=1, max_size=4))
def test_google_reads_the_same_path(names: list[str]) -> None:
    assert field_path(*names) == FieldPath(*names).to_api_repr()


@pytest.mark.parametrize("names", [(), ("",), ("a", "")])
def test_an_empty_name_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not empty"):
        field_path(*names)
