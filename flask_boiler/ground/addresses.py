"""Addresses of the form ``HOST:PORT``: reading them, and telling whether they mean this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flask_boiler.errors import ConfigurationError

__all__ = [
    "EMULATOR_VARIABLE",
    "bare_name",
    "emulator_host",
    "host_and_port",
    "is_loopback",
    "is_on_this_machine",
    "normalized_host",
    "socket_address",
]

#: The variable by which Google's tools and clients are told of a Firestore emulator.
EMULATOR_VARIABLE = "FIRESTORE_EMULATOR_HOST"

_LOOPBACK = "127.0.0.1"
#: What listens at all addresses of a machine, and where it is reached on that machine.
_ALL_ADDRESSES = {"0.0.0.0": _LOOPBACK, "[::]": "[::1]"}


def emulator_host(environ: Mapping[str, str] | None = None) -> str | None:
    """The ``HOST:PORT`` that ``FIRESTORE_EMULATOR_HOST`` names; ``None`` if it is not set.

    :param environ: the variables; without it, those of this process.
    :raises ConfigurationError: it is set, and names no address.
    """
    text = (os.environ if environ is None else environ).get(EMULATOR_VARIABLE, "")
    return normalized_host(text, named_by=EMULATOR_VARIABLE) if text.strip() else None


def normalized_host(text: str, *, named_by: str) -> str:
    """The address ``HOST:PORT`` that a text means, in the form that the package works with.

    Blanks around it, ``http://`` before it and a slash after it go; a port alone, ``8080`` or
    ``:8080``, is one of this machine.

    :param named_by: the setting or option that has the text, for the error.
    :raises ConfigurationError: it is no such address.
    """
    bare = text.strip()
    if bare.lower().startswith("https://"):
        raise _refused(text, named_by, "a local Firestore does not use TLS")
    if bare.lower().startswith("http://"):
        bare = bare[len("http://") :]
    bare = bare.removesuffix("/")
    if bare.isascii() and bare.isdecimal():
        bare = f":{bare}"
    try:
        parts = urlsplit(f"//{bare}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(text, named_by, str(error)) from error
    if not bare.isprintable() or " " in bare or parts.netloc != bare or "@" in bare:
        raise _refused(text, named_by, "it is more than a host and a port")
    if not port:
        raise _refused(text, named_by, "the port is missing, or 0")
    if host is None:
        host = _LOOPBACK
    elif ":" in host and not bare.startswith("["):
        raise _refused(text, named_by, f"write an IPv6 address as [{host}]:{port}")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(address: str) -> tuple[str, int]:
    """The host and the port of ``HOST:PORT``, in the form that other machines use.

    What listens at all addresses of a machine is reached at its loopback address.
    """
    host, _, port = address.rpartition(":")
    return _ALL_ADDRESSES.get(host, host), int(port)


def socket_address(address: str) -> tuple[str, int]:
    """The host and the port of ``HOST:PORT``, in the form of sockets: IPv6 has no brackets.

    :raises ValueError: the port is no number.
    """
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def bare_name(name: str) -> str:
    """The comparable form of a host without a port: equal results mean the same host."""
    return name.strip("[]").removesuffix(".").lower()


def is_loopback(name: str) -> bool:
    """Whether a host name or address, without a port, can only mean this machine.

    Names other than ``localhost`` and those below it are not looked up.
    """
    bare = bare_name(name)
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        address = ip_address(bare)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_on_this_machine(address: str) -> bool:
    """Whether ``HOST:PORT`` is an address of this machine, by the name of its host."""
    name = address.rpartition(":")[0]
    return name in _ALL_ADDRESSES or is_loopback(name)


def _refused(text: str, named_by: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{named_by} is {text!r}, which is not HOST:PORT ({why}): write it like 127.0.0.1:8080"
    )
