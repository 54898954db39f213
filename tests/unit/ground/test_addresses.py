"""How the address of a local Firestore may be written."""

from __future__ import annotations

import pytest

from flask_boiler.context.config import Config
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import (
    emulator_host,
    is_loopback,
    is_on_this_machine,
    normalized_host,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("  localhost:8080\n", "localhost:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("HTTP://localhost:8080/", "localhost:8080"),
        ("8080", "127.0.0.1:8080"),
        (":8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("firestore:8080", "firestore:8080"),
        ("0.0.0.0:8080", "0.0.0.0:8080"),
    ],
)
def test_what_people_write_is_one_address(text: str, host: str) -> None:
    assert normalized_host(text, named_by="--host") == host


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("localhost", "the port is missing"),
        ("127.0.0.1:", "the port is missing"),
        ("127.0.0.1:0", "the port is missing"),
        ("127.0.0.1:http", "Port could not be cast"),
        ("127.0.0.1:70000", "Port out of range"),
        ("99999", "Port out of range"),
        ("https://127.0.0.1:8080", "does not use TLS"),
        ("http://127.0.0.1:8080/v1", "it is more than a host and a port"),
        ("me@localhost:8080", "it is more than a host and a port"),
        ("local host:8080", "it is more than a host and a port"),
        ("localhost:8080,localhost:8081", "Port could not be cast"),
        ("[::1:8080", "Invalid IPv6 URL"),
        ("", "the port is missing"),
    ],
)
def test_what_is_no_address_is_told(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalized_host(text, named_by="--host")
    assert f"--host is {text!r}, which is not HOST:PORT" in str(caught.value)
    assert why in str(caught.value)


def test_the_variable_of_googles_tools_is_read_alike() -> None:
    assert emulator_host({"FIRESTORE_EMULATOR_HOST": " http://localhost:1 "}) == "localhost:1"
    assert emulator_host({"FIRESTORE_EMULATOR_HOST": "  "}) is None
    assert emulator_host({}) is None
    with pytest.raises(ConfigurationError, match="FIRESTORE_EMULATOR_HOST is 'localhost'"):
        emulator_host({"FIRESTORE_EMULATOR_HOST": "localhost"})


def test_the_configuration_has_the_one_form() -> None:
    assert Config(emulator_host="http://localhost:8080/").emulator_host == "localhost:8080"
    with pytest.raises(ConfigurationError, match="emulator_host is 'h:x', which is not HOST:PORT"):
        Config(emulator_host="h:x")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.8.9.1:1", True),
        ("localhost:1", True),
        ("LOCALHOST.:1", True),
        ("app.localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", True),
        ("10.0.0.1:1", False),
        ("localhost.example.com:1", False),
        ("firestore.googleapis.com:443", False),
    ],
)
def test_what_is_on_this_machine(host: str, expected: bool) -> None:
    assert is_on_this_machine(host) is expected


def test_what_means_all_addresses_is_no_name_of_this_machine_alone() -> None:
    for name in ("0.0.0.0", "[::]"):
        assert not is_loopback(name)
        assert is_on_this_machine(f"{name}:1")
