"""The content security policy of the page that shows the document: it loads only its own parts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["PAGE_HEADERS", "content_policy"]

#: The headers of the page and of all that belongs to it. No other page may show it in a frame.
PAGE_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}

_INLINE_SCRIPT = re.compile(
    r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE
)
_LOADED = re.compile(
    r"""<(script|link|img)\b[^>]*\s(?:src|href)=["']?(https?://[^"'\s>]+)""", re.IGNORECASE
)


def content_policy(page: str, document: Mapping[str, Any]) -> str:
    """The ``Content-Security-Policy`` of flasgger's page.

    The scripts that stand in it are named by their hashes. What the application has it load from
    elsewhere is allowed, and so are requests to the servers that the document names.

    :param document: the settings of flasgger, with what they say of servers and credentials.
    """
    scripts = [f"'sha256-{_digest(text)}'" for text in _INLINE_SCRIPT.findall(page)]
    loaded = [(kind.lower(), origin) for kind, url in _LOADED.findall(page) for origin in _of(url)]
    directives: dict[str, Iterable[str]] = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *scripts, *(o for kind, o in loaded if kind == "script")],
        # Swagger UI sets styles on elements.
        "style-src": ["'self'", "'unsafe-inline'", *(o for kind, o in loaded if kind == "link")],
        "img-src": ["'self'", "data:", *(o for kind, o in loaded if kind != "script")],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'", *_servers(document)],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(dict.fromkeys(v))}" for name, v in directives.items())


def _digest(script: str) -> str:
    # A browser hashes what it has parsed, in which line ends are all alike.
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _servers(document: Mapping[str, Any]) -> Iterator[str]:
    for server in document.get("servers") or ():
        yield from _of(server.get("url"))
    components = document.get("components") or {}
    for scheme in (components.get("securitySchemes") or {}).values():
        for flow in (scheme.get("flows") or {}).values():
            yield from _of(flow.get("tokenUrl"))


def _of(url: Any) -> Iterator[str]:
    """The origin of an absolute URL, if it is one that may stand in a policy."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is not None and parts.scheme in ("http", "https"):
        origin = f"{parts.scheme}://{parts.netloc}"
        if re.fullmatch(r"[A-Za-z0-9:/.\[\]_-]+", origin):
            yield origin
