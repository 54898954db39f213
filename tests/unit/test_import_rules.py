"""The floors of the house and its vendor edges, as docs/architecture.md draws them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import Source, package_sources

# A room is a module or package directly below flask_boiler.
FLOORS = {
    "ground": [
        *("errors", "values", "ports", "signals", "firestore", "naming", "reading", "addresses"),
        *("path_pattern", "lifecycle", "callbacks", "pool", "reloader", "threads", "json_text"),
    ],
    "declare": [
        *("attrs", "schema", "registry", "model", "model_state", "domain_model", "query"),
        *("store", "stored_view", "view_model", "view_root", "mutation", "form", "config"),
        *("json_fields", "context", "place_rules"),
        *("transaction", "snapshot_cut", "model_options", "changes", "collection"),
        *("declaration", "nesting", "path_template"),
    ],
    "react": ["listen", "engine", "embedded", "sql"],
    "expose": ["view", "auth", "openapi", "metrics"],
    "operate": ["extension", "health", "cli", "testing", "emulator", "local_firestore"],
}
HEIGHT = {room: height for height, rooms in enumerate(FLOORS.values()) for room in rooms}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

# Who may import a vendor's packages.
EDGES = {
    "google": ["listen", "embedded", "context", "firestore"],
    "grpc": ["listen", "embedded", "context", "firestore"],
    "proto": ["listen", "embedded", "context", "firestore"],
    "firebase_admin": ["auth", "context"],
    "flask": [*FLOORS["expose"], *FLOORS["operate"]],
    "werkzeug": [*FLOORS["expose"], *FLOORS["operate"]],
    "click": FLOORS["operate"],
    "flask_socketio": [*FLOORS["expose"], *FLOORS["operate"]],
    "apispec": ["openapi"],
    "flasgger": [*FLOORS["expose"], *FLOORS["operate"]],
    "cloudevents": ["view"],
    "sqlalchemy": ["sql"],
    "cryptography": ["view"],
    "h11": ["embedded"],
}


def room_of(module: str) -> str | None:
    """The room a module of the package is in; ``None`` for the package itself and others."""
    package, _, rest = module.partition(".")
    return (rest.partition(".")[0] or None) if package == "flask_boiler" else None


def broken_rules(source: Source) -> list[str]:
    room = room_of(source.module)
    return [
        f"{source.path}:{line}: {complaint}"
        for imported, line in source.imports()
        if (complaint := _floor_broken(room, imported) or _edge_broken(room, imported))
    ]


def _floor_broken(room: str | None, imported: str) -> str | None:
    other = room_of(imported)
    if other not in HEIGHT or other == room or not (room is None or room in HEIGHT):
        return None
    if room is None:
        return f"the package itself imports {imported}; importing it must cost nothing"
    if HEIGHT[other] > HEIGHT[room]:
        return f"{room} ({FLOOR[room]}) imports {imported} from a higher floor ({FLOOR[other]})"
    if FLOOR[room] == FLOOR[other] == "react":
        return f"rooms on the react floor do not see each other: {room} imports {imported}"
    return None


def _edge_broken(room: str | None, imported: str) -> str | None:
    allowed = EDGES.get(imported.partition(".")[0])
    if allowed is None or room in allowed:
        return None
    return f"{room} imports {imported}; only {', '.join(allowed)} may"


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(source.module) for source in package_sources()} - {None}
    assert rooms <= HEIGHT.keys(), "draw new rooms into docs/architecture.md and FLOORS"


def test_no_import_goes_up_or_past_a_vendor_edge() -> None:
    assert [broken for source in package_sources() for broken in broken_rules(source)] == []


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("values", "from flask_boiler.engine import runtime", "higher floor (react)"),
        ("attrs.kinds", "from flask_boiler import view", "higher floor (expose)"),
        ("store", "def f():\n    import flask_boiler.listen.hub", "higher floor (react)"),
        ("engine.runtime", "from ..listen.watch import Watch", "do not see each other"),
        ("engine.runtime", "from google.cloud import firestore", "only listen, embedded"),
        ("query", "if TYPE_CHECKING:\n    import grpc", "only listen, embedded"),
        ("store", "from flask import g", "only view, auth"),
        ("__init__", "from flask_boiler.errors import BoilerError", "must cost nothing"),
    ],
)
def test_a_broken_rule_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, line: str, complaint: str
) -> None:
    monkeypatch.setattr("tests.sources.ROOT", tmp_path)
    path = tmp_path / "flask_boiler" / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line)
    assert complaint in "\n".join(broken_rules(Source(path)))


def test_importing_the_package_loads_opens_and_starts_nothing() -> None:
    program = (
        "import sys, os, json, threading\n"
        "modules, files = set(sys.modules), set(os.listdir('/dev/fd'))\n"
        "import flask_boiler\n"
        "print(json.dumps({\n"
        "    'modules': sorted(set(sys.modules) - modules),\n"
        "    'files': sorted(set(os.listdir('/dev/fd')) - files),\n"
        "    'threads': threading.active_count(),\n"
        "}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE
    )
    assert json.loads(done.stdout) == {"modules": ["flask_boiler"], "files": [], "threads": 1}
