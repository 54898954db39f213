"""The check of who may send requests by HTTP: pages of this machine, and those that are named.

Nobody's rules are checked here, so what keeps a page of the internet out is the browser that shows
it. A browser says whose page asks (``Origin``, ``Sec-Fetch-Site``) and under which name it has
found the server (``Host``), and a page cannot lie about them. A name that an attacker's name
server points to this machine is told by ``Host`` alone: to the browser, it is the page's own
origin.

HTTP/2 is not looked at: browsers speak it over TLS alone, which there is none of here, so no page
can.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import grpc

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import bare_name, is_loopback
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["JSON", "JSON_OF_SDKS", "HostCheck", "check_type"]

_log = logging.getLogger("flask_boiler.embedded")

#: The types of bodies that are taken. A page may send ``text/plain``, and a body without a type, to
#: anybody without asking; so they are taken only where Firebase's web SDK sends nothing else.
JSON = frozenset({"application/json"})
JSON_OF_SDKS = JSON | {"text/plain"}

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{0,5})?", re.IGNORECASE)
#: Of so many strangers it is told that they asked; more would fill the log.
_MOST_TOLD = 20


class HostCheck:
    """Decides which requests of HTTP are served. May be used by any thread.

    :param trusted_hosts: names and addresses, besides those of the loopback interface, under which
        the server may be asked, and whose pages may ask it; ``.example.com`` means all names below.
    :raises ConfigurationError: one of them is no name.
    """

    def __init__(self, trusted_hosts: Iterable[str] = ()) -> None:
        if isinstance(trusted_hosts, str):
            raise ConfigurationError(
                f"trusted_hosts is the text {trusted_hosts!r}: give a list of names"
            )
        self._trusted = {_checked(name) for name in trusted_hosts}
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request pass, or not.

        :param headers: by their names in lower case.
        :raises Refusal: PERMISSION_DENIED; it says what to do if the request was meant.
        """
        host = headers.get("host", "")
        found = _HOST.fullmatch(host)
        if found is None or not self._is_trusted(found[1]):
            raise self._refused(
                f'The embedded Firestore is not asked as "{host[:200]}"', found and found[1]
            )
        origin = headers.get("origin")
        if origin is None:
            # An image, a script, a link: there is no origin with these.
            if headers.get("sec-fetch-site", "").lower() == "cross-site":
                raise self._refused("A page of another site may not ask for this", None)
        elif not self._is_trusted(name := _host_of(origin)):
            raise self._refused(f'A page of "{origin[:200]}" may not ask for this', name)

    def _is_trusted(self, name: str) -> bool:
        if is_loopback(name):
            return True
        bare = bare_name(name)
        parents = (bare[at:] for at, letter in enumerate(bare) if letter == ".")
        return bare in self._trusted or not self._trusted.isdisjoint(parents)

    def _refused(self, what: str, name: str | None) -> Refusal:
        remedy = (
            ""
            if not name
            else (
                f". If {bare_name(name)} is yours, add it to its trusted_hosts (--trusted-host, or "
                "the configuration key firestore_trusted_hosts)"
            )
        )
        message = (
            f"{what}: it checks no security rules, so it serves this machine's own pages "
            f"alone{remedy}"
        )
        with self._lock:
            is_new = message not in self._told and len(self._told) < _MOST_TOLD
            if is_new:
                self._told.add(message)
        if is_new:
            _log.warning("refused: %s", message)
        return Refusal(grpc.StatusCode.PERMISSION_DENIED, message)


def check_type(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Whether a body has a type that is taken where it goes.

    :raises Refusal: INVALID_ARGUMENT.
    """
    given = headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() in allowed:
        return
    found = f'"{given[:200]}"' if given else "missing"
    raise Refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"The Content-Type of the request is {found}; send {' or '.join(sorted(allowed))}",
    )


def _host_of(origin: str) -> str:
    """The name in an origin; nothing, if it has none: ``null`` is that of files and sandboxes."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _checked(name: str) -> str:
    bare = name.removeprefix(".")
    match = _HOST.fullmatch(f"[{bare}]" if bare.count(":") > 1 and "[" not in bare else bare)
    if match is None or match[0] != match[1]:
        raise ConfigurationError(
            f'among the trusted hosts is "{name}", which is no name or address: write it without '
            "http:// and without a port"
        )
    return f"{'.' if name.startswith('.') else ''}{bare_name(match[1])}"
