"""The channels that clients of a local Firestore open."""

from __future__ import annotations

import sys
from typing import Any

import grpc
import pytest
from pytest_mock import MockerFixture

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import ConfigurationError


@pytest.mark.parametrize(
    ("host", "proxied"), [("127.0.0.1:1", False), ("localhost:1", False), ("firestore:1", True)]
)
def test_only_what_is_on_another_machine_goes_through_a_proxy(
    host: str, proxied: bool, mocker: MockerFixture
) -> None:
    opened = mocker.spy(grpc, "insecure_channel")
    client = local_client(host, project="p", database="(default)")
    _: Any = client._firestore_api
    close_client(client)
    assert opened.call_args.args == (host,)
    assert (("grpc.enable_http_proxy", 0) in opened.call_args.kwargs["options"]) is not proxied


def test_greenlets_that_grpc_cannot_wait_in_are_refused(mocker: MockerFixture) -> None:
    eventlet = mocker.Mock()
    eventlet.is_monkey_patched.return_value = True
    mocker.patch.dict(sys.modules, {"eventlet.patcher": eventlet})
    context = ApplicationContext(Config(emulator_host="127.0.0.1:1"))
    with pytest.raises(ConfigurationError, match="eventlet has replaced the threads"):
        _ = context.db
