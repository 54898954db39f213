"""The application's keys: what clients are shown of hidden values is keyed or encrypted with them.

They come from Flask's ``SECRET_KEY``, so they are alike in all workers and after a restart.
``SECRET_KEY_FALLBACKS`` are older ones: what was made with them still counts.

Without a ``SECRET_KEY``, production is refused. In development and testing the key then follows
from the machine, the user and where the application lies, so that its processes agree; where the
machine has no identity, each process has a random one.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app, request

from flask_boiler.context.context import current_context
from flask_boiler.errors import ConfigurationError

__all__ = ["Keys", "RouteSeal", "current_keys", "require_secret_key"]

_TAG_LENGTH = 32
_NONCE_SIZE = 12
_SEAL_SIZE = 16

#: The key of a process without a ``SECRET_KEY`` on a machine without an identity.
_OF_PROCESS = secrets.token_bytes(32)


class Keys:
    """Tags and seals of one application.

    :param secrets: the secrets, the newest first: it makes what is new, all are tried for what
        comes back.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._for_tags = [_derived(secret, b"flask_boiler entity tag") for secret in secrets]
        self._for_seals = [
            AESGCM(_derived(secret, b"flask_boiler page token")) for secret in secrets
        ]

    def tags(self, *parts: bytes) -> list[str]:
        """The tags of a content, by each key, the newest first; without a key nobody can tell them.

        :param parts: the content; other parts have other tags, also where they join to the same.
        """
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return [
            hmac.new(key, message, "sha256").hexdigest()[:_TAG_LENGTH] for key in self._for_tags
        ]

    def seal(self, content: bytes, *, bound_to: bytes) -> bytes:
        """A content, sealed: nothing of it shows but its length.

        :param bound_to: what has to be given again to open it.
        """
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + self._for_seals[0].encrypt(nonce, content, bound_to)

    def opened(self, sealed: bytes, *, bound_to: bytes) -> bytes | None:
        """The content; ``None`` if it is not sealed with one of these keys, or bound otherwise."""
        if len(sealed) < _NONCE_SIZE + _SEAL_SIZE:
            return None
        nonce, rest = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        for key in self._for_seals:
            try:
                return key.decrypt(nonce, rest, bound_to)
            except InvalidTag:
                continue
        return None


class RouteSeal:
    """The seal of page tokens: what it makes for the current request's route opens there alone.

    :raises ConfigurationError: the application has no key.
    """

    def __init__(self) -> None:
        self._keys = current_keys()
        self._route = f"{request.endpoint} {request.path}\0".encode()

    def seal(self, content: bytes, *, bound_to: bytes) -> bytes:
        """A content, sealed: nothing of it shows but its length."""
        return self._keys.seal(content, bound_to=self._route + bound_to)

    def opened(self, sealed: bytes, *, bound_to: bytes) -> bytes | None:
        """The content; ``None`` if it is not sealed by us, or for another route."""
        return self._keys.opened(sealed, bound_to=self._route + bound_to)


def current_keys() -> Keys:
    """The keys of the current application.

    :raises ConfigurationError: it has no ``SECRET_KEY``, and runs in production.
    """
    app: Any = current_app
    require_secret_key(app)
    secret = app.config.get("SECRET_KEY") or _development_secret(app)
    older = app.config.get("SECRET_KEY_FALLBACKS") or ()
    return _keys(tuple(_as_bytes(each) for each in (secret, *older)))


def require_secret_key(app: Flask) -> None:
    """Refuse an application that runs in production without a ``SECRET_KEY``.

    So is one whose ``SECRET_KEY_FALLBACKS`` anybody can guess.

    :raises ConfigurationError: it does; with the remedy.
    """
    older = app.config.get("SECRET_KEY_FALLBACKS") or ()
    if isinstance(older, str | bytes) or not all(older):
        raise ConfigurationError(
            f"SECRET_KEY_FALLBACKS of {app.name} is no list of keys: write "
            'app.config["SECRET_KEY_FALLBACKS"] = ["the one before"], and leave it out if there is '
            "none. Each letter of a text would count as a key, and so would an empty one"
        )
    if not app.config.get("SECRET_KEY") and _runs_in_production(app):
        raise ConfigurationError(
            f"{app.name} runs in production without a SECRET_KEY, with which entity tags and page "
            "tokens are keyed: make one with python -c 'import secrets; "
            "print(secrets.token_hex())', give it to all processes alike, and set "
            'app.config["SECRET_KEY"] to it before REST mediators are mounted'
        )


def _runs_in_production(app: Flask) -> bool:
    boiler: Any = app.extensions.get("boiler")
    try:
        context = current_context() if boiler is None else boiler.context
    except ConfigurationError:
        # There is none yet: asked again when a Boiler is there, and when it serves.
        return False
    return bool(context.config.runtime == "production")


def _development_secret(app: Flask) -> bytes:
    # A debugger comes with it, which is nothing for production.
    from werkzeug.debug import get_machine_id

    machine = get_machine_id()
    if not machine:
        return _OF_PROCESS
    user = os.getuid() if hasattr(os, "getuid") else ""
    return b"\0".join([_as_bytes(machine), f"{user}\0{app.root_path}\0{app.name}".encode()])


@lru_cache(maxsize=16)
def _keys(secrets: tuple[bytes, ...]) -> Keys:
    return Keys(secrets)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _as_bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret
