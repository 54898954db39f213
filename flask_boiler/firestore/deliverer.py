"""The check of who delivers an event: by the OIDC token that Google signs for a service account.

Eventarc and Pub/Sub send it as ``Authorization: Bearer``, where the trigger names an account.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from flask_boiler.errors import PermissionDeniedError, UnauthenticatedError, UnavailableError

__all__ = ["GOOGLE_CERTS_URL", "DelivererCheck"]

logger = logging.getLogger(__name__)

#: Where Google has the certificates of its ID tokens, by key id.
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"

_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
_LONGEST_TOKEN = 16 * 1024
_CLOCK_SKEW_S = 10
_FETCH_TIMEOUT_S = 5.0
_MOST_CERT_BYTES = 1024 * 1024
_KEPT_S = 3600.0
_LONGEST_KEPT_S = 24 * 3600.0
#: For so long neither an unknown key nor a failure has the certificates fetched again.
_PAUSE_S = 5.0
_MAX_AGE = re.compile(r"\bmax-age=([0-9]{1,9})\b")


class DelivererCheck:
    """A check that lets in only one service account, with a token for one audience.

    Anybody can have Google sign a token for any audience, so that the account has to be named.

    :param audience: what the trigger's token is for, which is the URL of the route unless the
        trigger says otherwise.
    :param email: the service account's.
    :param certs_url: where the certificates of the issuer are, as JSON by key id.
    :param clock: a monotonic one, in seconds.
    """

    def __init__(
        self,
        audience: str,
        email: str,
        certs_url: str = GOOGLE_CERTS_URL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audience = audience
        self._email = email
        self._certificates = _Certificates(certs_url, clock)

    def check(self, authorization: str | None) -> None:
        """Check the header of a request.

        :raises UnauthenticatedError: there is no token, or none that is valid here and now.
        :raises PermissionDeniedError: it is another account's.
        :raises UnavailableError: the certificates cannot be fetched.
        """
        kind, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise UnauthenticatedError(
                "Expected the OIDC token of whoever delivers the event: Authorization: Bearer."
            )
        claims = self._claims(token)
        if claims.get("iss") not in _ISSUERS:
            raise UnauthenticatedError("The token was not signed by Google.")
        if claims.get("email") != self._email or claims.get("email_verified") is not True:
            logger.warning("an event came with the token of %.200r", claims.get("email"))
            raise PermissionDeniedError("The token belongs to another account.")

    def _claims(self, token: str) -> Mapping[str, Any]:
        from google.auth import jwt

        try:
            key_id = jwt.decode_header(token).get("kid")
            certs = self._certificates.with_key(str(key_id))
            claims: Mapping[str, Any] = jwt.decode(
                token, certs=certs, audience=self._audience, clock_skew_in_seconds=_CLOCK_SKEW_S
            )
        except UnavailableError:
            raise
        except Exception as error:
            # Whatever a forged token leads to in what reads it, it is no valid one.
            logger.warning("an event came with a token that is not valid: %.300s", error)
            raise UnauthenticatedError(
                "The token is not valid, or not for this audience, or has expired."
            ) from None
        return claims


class _Certificates:
    """Google's certificates by key id, fetched when needed, and kept as long as they are valid."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        # Held while they are fetched, so that it is done once for all who wait for them.
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._until = -1.0
        self._asked_at: float | None = None

    def with_key(self, key_id: str) -> Mapping[str, str]:
        """The certificates; they are fetched again if they are too old, or this key is missing.

        :raises UnavailableError: they cannot be fetched.
        """
        with self._lock:
            now = self._clock()
            fresh = now < self._until
            asked_lately = self._asked_at is not None and now - self._asked_at < _PAUSE_S
            if fresh and (key_id in self._known or asked_lately):
                return self._known
            if asked_lately:
                raise UnavailableError(f"the certificates at {self._url} could not be fetched")
            self._asked_at = now
            try:
                self._known, kept_s = self._fetched()
            except (OSError, ValueError, http.client.HTTPException) as error:
                if fresh:
                    return self._known
                raise UnavailableError(
                    f"the certificates at {self._url} cannot be fetched: {error}"
                ) from error
            self._until = now + kept_s
            return self._known

    def _fetched(self) -> tuple[Mapping[str, str], float]:
        with urllib.request.urlopen(self._url, timeout=_FETCH_TIMEOUT_S) as answer:
            text = answer.read(_MOST_CERT_BYTES)
            said = _MAX_AGE.search(answer.headers.get("Cache-Control") or "")
        found = json.loads(text)
        if not isinstance(found, dict) or not all(isinstance(c, str) for c in found.values()):
            raise ValueError("expected certificates by key id")
        return found, min(float(said[1]), _LONGEST_KEPT_S) if said else _KEPT_S
