"""Page tokens of the server: its own, and what is none of its own."""

from __future__ import annotations

import grpc
import pytest

from flask_boiler.local.embedded.queries.paging import read_count, read_text, token_of
from flask_boiler.local.embedded.storage.refusal import Refusal


def test_a_token_leads_back_to_its_place() -> None:
    assert read_text(token_of("höhe".encode())) == "höhe"
    assert read_count(token_of(b"12")) == 12
    assert (read_text(""), read_count("")) == ("", 0)


@pytest.mark.parametrize(
    "token", ["x", "é", "AAAA", token_of(b"\xff"), token_of(b"-1"), token_of("²".encode())]
)
def test_what_is_no_token_is_an_invalid_argument(token: str) -> None:
    readers = [read_count]
    if token not in (token_of(b"-1"), token_of("²".encode())):
        readers.append(read_text)  # type: ignore[arg-type]
    for read in readers:
        with pytest.raises(Refusal) as refused:
            read(token)
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
