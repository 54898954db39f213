"""Whose requests are served, and under which names."""

from __future__ import annotations

import logging

import pytest

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import is_loopback
from flask_boiler.local.embedded.serving.host_check import JSON, JSON_OF_SDKS, HostCheck, check_type
from flask_boiler.local.embedded.storage.refusal import Refusal


def is_served(host_check: HostCheck, **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        host_check.check(named)
    except Refusal as refusal:
        assert refusal.code.name == "PERMISSION_DENIED"
        return False
    return True


LOOPBACK = [
    "localhost",
    "localhost.",
    "LOCALHOST",
    "app.localhost",
    "127.0.0.1",
    "127.8.9.10",
    "[::1]",
    "[::ffff:127.0.0.1]",
]
FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "evillocalhost",
    "127.0.0.1.evil.example",
    "192.168.1.5",
    "0.0.0.0",
    "[::]",
    "[::ffff:8.8.8.8]",
    "169.254.169.254",
]


@pytest.mark.parametrize("port", ["", ":8080", ":80"])
@pytest.mark.parametrize("name", LOOPBACK)
def test_names_of_this_machine_are_served(name: str, port: str) -> None:
    assert is_loopback(name)
    assert is_served(HostCheck(), host=f"{name}{port}")
    for scheme in ("http", "https", "capacitor"):
        assert is_served(HostCheck(), host="localhost:1", origin=f"{scheme}://{name}{port}")


@pytest.mark.parametrize("port", ["", ":8080"])
@pytest.mark.parametrize("name", FOREIGN)
def test_other_names_are_not(name: str, port: str) -> None:
    assert not is_loopback(name)
    # The name leads to this machine all the same: that is how a page makes it its own origin.
    assert not is_served(HostCheck(), host=f"{name}{port}")
    assert not is_served(HostCheck(), host=f"{name}{port}", origin=f"http://{name}{port}")
    assert not is_served(HostCheck(), host="localhost:1", origin=f"http://{name}{port}")


@pytest.mark.parametrize(
    "host", ["", "a b", "evil.example#localhost", "localhost@evil.example", "localhost:x", "[::1"]
)
def test_what_is_no_host_is_not_served(host: str) -> None:
    assert not is_served(HostCheck(), host=host)


def test_a_request_without_a_host_is_not_served() -> None:
    assert not is_served(HostCheck())


@pytest.mark.parametrize(
    "origin", ["null", "", "file://", "http://", "http://localhost@evil.example", "http://[", "//x"]
)
def test_an_origin_without_a_name_is_a_stranger(origin: str) -> None:
    assert not is_served(HostCheck(), host="localhost", origin=origin)


@pytest.mark.parametrize(
    ("site", "served"),
    [
        ("cross-site", False),
        ("Cross-Site", False),
        ("same-site", True),
        ("same-origin", True),
        ("none", True),
    ],
)
def test_what_no_origin_tells_the_site_does(site: str, served: bool) -> None:
    assert is_served(HostCheck(), host="localhost", sec_fetch_site=site) is served


def test_a_page_of_this_machine_may_come_from_another_name_of_it() -> None:
    origin = "http://localhost:5000"
    assert is_served(HostCheck(), host="127.0.0.1:8080", origin=origin, sec_fetch_site="cross-site")


def test_those_that_are_named_are_served() -> None:
    host_check = HostCheck(["Firestore", "192.168.1.5", ".dev.example", "fd00::1"])
    for name in ("firestore:8080", "192.168.1.5", "a.dev.example", "b.a.dev.example", "[fd00::1]"):
        assert is_served(host_check, host=name)
        assert is_served(host_check, host="localhost", origin=f"http://{name}")
    for name in ("dev.example", "evildev.example", "firestore.evil.example", "192.168.1.6"):
        assert not is_served(host_check, host=name)


@pytest.mark.parametrize("name", ["http://a", "a:80", "", "a/b", "*", "."])
def test_what_is_no_name_cannot_be_trusted(name: str) -> None:
    with pytest.raises(ConfigurationError, match="which is no name or address"):
        HostCheck([name])
    with pytest.raises(ConfigurationError, match="give a list of names"):
        HostCheck("a,b")


def test_a_stranger_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    host_check = HostCheck()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not is_served(host_check, host="localhost", origin="http://my.site")
        assert [r.getMessage().count("If my.site is yours") for r in caplog.records] == [1]
        for number in range(100):
            assert not is_served(host_check, host=f"host{number}.example")
    assert len(caplog.records) == 20


@pytest.mark.parametrize(
    ("given", "by_sdks"),
    [
        ("text/plain", True),
        ("Text/Plain; charset=utf-8", True),
        ("", False),
        ("text/html", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data", False),
    ],
)
def test_a_body_that_pages_may_send_unasked_is_not_taken(given: str, by_sdks: bool) -> None:
    headers = {"content-type": given} if given else {}
    with pytest.raises(Refusal, match="send application/json"):
        check_type(headers, JSON)
    if by_sdks:
        check_type(headers, JSON_OF_SDKS)
    else:
        with pytest.raises(Refusal, match="send application/json or text/plain"):
            check_type(headers, JSON_OF_SDKS)
    check_type({"content-type": "application/json; charset=utf-8"}, JSON)
