"""A page with Firebase's web SDK, unmodified, and what serves it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

__all__ = ["PAGE", "PROJECT", "TIMEOUT_MS", "VENDOR", "serving", "wait_shown"]

VENDOR = Path(__file__).parents[2] / "examples" / "shared" / "vendor"
TIMEOUT_MS = 60_000.0
#: Where the SDK's files find each other, were they not served here.
FROM_GOOGLE = re.compile(r"https://www\.gstatic\.com/firebasejs/[^/]+/")
PROJECT = "browsers"

PAGE = """<!doctype html>
<link rel="icon" href="data:," />
<script type="module">
  import * as app from "./firebase-app.js";
  import * as firestore from "./firebase-firestore.js";
  const asked = new URLSearchParams(location.search);
  const [host, port] = asked.get("firestore").split(":");
  const made = app.initializeApp({ projectId: "browsers" });
  const settings = asked.get("polling") ? { experimentalForceLongPolling: true } : {};
  const db = firestore.initializeFirestore(made, settings);
  firestore.connectFirestoreEmulator(db, host, Number(port));
  window.db = db;
  window.fs = firestore;
  window.seen = {};
  window.watch = (name, target) => {
    seen[name] = [];
    firestore.onSnapshot(target, { includeMetadataChanges: true }, (found) =>
      seen[name].push({
        data: found.docs ? found.docs.map((one) => [one.id, one.data()]) : (found.data() ?? null),
        pending: found.metadata.hasPendingWrites,
        cached: found.metadata.fromCache,
      }),
      (error) => seen[name].push({ error: error.code }));
  };
  window.last = (name) => seen[name][seen[name].length - 1] ?? {};
  window.shows = (name, data) => {
    const found = last(name);
    return JSON.stringify(found.data) === JSON.stringify(data) && !found.pending && !found.cached;
  };
  window.ready = true;
</script>
"""


class Pages(SimpleHTTPRequestHandler):
    """The SDK from a folder, and a page that uses it."""

    page: str

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        content = self.page if path == "/" else (Path(self.directory) / path[1:]).read_text()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if path == "/" else "text/javascript")
        self.end_headers()
        self.wfile.write(FROM_GOOGLE.sub("./", content).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(page: str, folder: Path) -> Iterator[int]:
    """The port at which a page is served, with the files of a folder."""
    kind = type("PagesOfOne", (Pages,), {"page": page})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_shown(page: Page, name: str, data: Any) -> None:
    page.wait_for_function(f"shows({json.dumps(name)}, {json.dumps(data, separators=(',', ':'))})")
