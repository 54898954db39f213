"""The floors of the house and its vendor edges, as docs/architecture.md draws them.

Every import counts: when a module is loaded, inside a function, by a call that names it, and for
type checkers alone. What a floor asks of a higher one by the name of a role counts, too.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.sources import ROOT, Source, called, first_text, package_sources

# From below to above; what stands in one row does not see its neighbours. The part of a name that
# is most precise counts: view.http stands below the rest of view.
FLOORS = [
    ["errors"],
    ["ground"],
    ["firestore"],
    ["context", "engine"],
    ["attrs", "transactions", "local"],
    ["models"],
    ["viewmodels"],
    ["view.mediation"],
    ["sql", "view.http", "view.socketio", "view.inbox"],
    ["view"],
    ["contracts"],
    ["operate"],
]
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# The layers of the embedded Firestore, from below to above, and all that it may import besides:
# these need nothing else of the package, so that it could be a distribution of its own.
EMBEDDED = "flask_boiler.local.embedded"
LAYERS = ["storage", "queries", "writes", "listening", "serving"]
EMBEDDED_MAY_IMPORT = {
    "flask_boiler.ground.addresses",
    "flask_boiler.errors",
    "flask_boiler.ground.lifecycle",
    "flask_boiler.firestore.protocol",
}

# Modules at the top that only users enter: each gives again what is defined on a floor.
DOORS = {"domain_model", "embedded", "openapi", "store", "testing", "view_model"}

# Who may import a vendor's packages.
EDGES = {
    "google": ["firestore", "context", "local"],
    "grpc": ["firestore", "context", "local"],
    "proto": ["firestore", "context", "local"],
    "firebase_admin": ["context"],
    "flask": ["view", "contracts", "operate"],
    "werkzeug": ["view", "contracts", "operate"],
    "click": ["operate"],
    "flask_socketio": ["view", "contracts", "operate"],
    "socketio": ["view.socketio"],
    "marshmallow": ["attrs", "models", "view", "contracts"],
    "yaml": ["context"],
    "pytest": ["operate.testing"],
    "apispec": ["contracts"],
    "flasgger": ["view", "contracts", "operate"],
    "cloudevents": ["view"],
    "sqlalchemy": ["sql"],
    "cryptography": ["view.mediation"],
    "h11": ["local.embedded"],
}

# Who may import the adapters of a port, besides their own room; all others know only the port.
ADAPTERS = {
    "firestore.datastore": ["firestore", "context", "operate"],
    "firestore.listen": ["view.mediation.live"],
    "engine.publishing.publisher": ["engine.document_engine"],
    "engine.publishing.stored_ledger": ["engine.document_engine"],
    "engine.memory_dependencies": ["engine.document_engine"],
}

# Who imports modules of which only the running program knows the names: what gives public names,
# and what finds a command by its name.
IMPORTS_BY_NAME = {"flask_boiler", "flask_boiler.operate.cli.command_set"}


def within(room: str, module: str) -> bool:
    """Whether a module of the package is in a room, named without the package."""
    return f"{module}.".startswith(f"flask_boiler.{room}.")


def floor_of(module: str) -> str | None:
    """The room of ``FLOORS`` that a module is in; ``None`` for the top, its doors and others."""
    return max((room for room in HEIGHT if within(room, module)), key=len, default=None)


def file_of(imported: str) -> str | None:
    """The module of the package that an import loads: ``a.b`` for both ``a.b`` and ``a.b.Name``."""
    parent = imported.rpartition(".")[0]
    return next((name for name in (imported, parent) if name in MODULES), None)


MODULES = {source.module for source in package_sources()}


def broken_rules(source: Source) -> list[str]:
    return [
        f"{source.module}:{line}: {complaint}"
        for imported, line in source.imports()
        if (
            complaint := _floor_broken(source.module, file_of(imported) or imported)
            or _embedded_broken(source.module, file_of(imported) or imported)
            or _edge_broken(source.module, imported)
            or _port_broken(source.module, imported)
        )
    ]


def _floor_broken(module: str, imported: str) -> str | None:
    if module == "flask_boiler":
        return None
    if imported == "flask_boiler" or imported.removeprefix("flask_boiler.") in DOORS:
        return f"imports {imported}, which is there for users"
    room, other = floor_of(module), floor_of(imported)
    if room is None or other is None or room == other:
        return None
    if HEIGHT[other] > HEIGHT[room]:
        return f"{room} imports {imported} from a higher floor"
    if HEIGHT[other] == HEIGHT[room]:
        return f"{room} imports {imported}, its neighbour"
    return None


def _embedded_broken(module: str, imported: str) -> str | None:
    if not within("local.embedded", module) or not imported.startswith("flask_boiler."):
        return None
    if not within("local.embedded", imported):
        return None if imported in EMBEDDED_MAY_IMPORT else f"the server imports {imported}"
    layer, other = (name.removeprefix(f"{EMBEDDED}.").split(".")[0] for name in (module, imported))
    if layer in LAYERS and other in LAYERS and LAYERS.index(other) > LAYERS.index(layer):
        return f"{layer} imports {imported} from a higher layer"
    return None


def _edge_broken(module: str, imported: str) -> str | None:
    allowed = EDGES.get(imported.partition(".")[0])
    if allowed is None or any(within(room, module) for room in allowed):
        return None
    return f"{module} imports {imported}; only {', '.join(allowed)} may"


def _port_broken(module: str, imported: str) -> str | None:
    adapter = next((adapter for adapter in ADAPTERS if within(adapter, imported)), None)
    if adapter is None or any(within(room, module) for room in [adapter, *ADAPTERS[adapter]]):
        return None
    return f"{module} imports {imported}, an adapter; only {', '.join(ADAPTERS[adapter])} may"


def roles_asked_for(source: Source) -> Iterator[tuple[str | None, int]]:
    """The roles whose objects a file asks for, with the line; ``None`` if the source hides it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and called(node) == "provided":
            yield first_text(node), node.lineno


def modules_by_role() -> dict[str, set[str]]:
    """The modules of the package that are in each role, by its entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        group.removeprefix("flask_boiler."): {name.partition(":")[0] for name in found.values()}
        for group, found in project["entry-points"].items()
        if group.startswith("flask_boiler.")
    }


def needless_roles(source: Source) -> list[str]:
    """Complaints about roles: they are for what the rule keeps a file from importing."""
    by_role = modules_by_role()
    return [
        f"{source.module}:{line}: imports what has the role {role} without it"
        for role, line in roles_asked_for(source)
        if role not in by_role
        or any(_floor_broken(source.module, module) is None for module in by_role[role])
    ]


def circles(graph: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """The sets of files that import each other, directly or by way of others (Tarjan)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(module: str) -> Iterator[set[str]]:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for imported in graph[module]:
            if imported not in index:
                yield from visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], index[imported])
        if lowest[module] == index[module]:
            found = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(found) > 1:
                yield found

    for module in graph:
        if module not in index:
            yield from visit(module)


def import_graph() -> dict[str, set[str]]:
    return {
        source.module: {
            found
            for imported, _ in source.imports()
            if (found := file_of(imported)) is not None and found != source.module
        }
        for source in package_sources()
        if source.module != "flask_boiler"
    }


def test_every_room_has_a_floor() -> None:
    rooms = {source.module for source in package_sources()} - {"flask_boiler"}
    homeless = {room for room in rooms if floor_of(room) is None}
    assert homeless == {f"flask_boiler.{door}" for door in DOORS}, "draw new rooms into FLOORS"


def test_no_import_goes_up_or_past_a_vendor_edge() -> None:
    assert [broken for source in package_sources() for broken in broken_rules(source)] == []


def test_roles_are_asked_for_only_from_below() -> None:
    # Elsewhere an import says the same, and type checkers see it.
    assert [found for source in package_sources() for found in needless_roles(source)] == []


def test_every_role_is_asked_for() -> None:
    asked = {role for source in package_sources() for role, _ in roles_asked_for(source)}
    assert asked == modules_by_role().keys()


def test_imports_by_a_computed_name_are_few() -> None:
    sources = [s for s in package_sources() if "?" in {imported for imported, _ in s.imports()}]
    assert {source.module for source in sources} == IMPORTS_BY_NAME


def test_every_vendor_has_an_edge() -> None:
    imported = {name.partition(".")[0] for s in package_sources() for name, _ in s.imports()}
    ours = {"flask_boiler", "?", *sys.stdlib_module_names, "annotationlib"}
    assert imported - ours <= EDGES.keys()


def test_what_the_embedded_server_imports_needs_nothing_else_of_the_package() -> None:
    graph = import_graph()
    needed = {other for module in EMBEDDED_MAY_IMPORT for other in graph[module]}
    assert needed <= EMBEDDED_MAY_IMPORT


def test_no_files_import_each_other() -> None:
    assert [sorted(found) for found in circles(import_graph())] == []


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("ground.values", "from flask_boiler.engine import engine", "higher floor"),
        ("attrs.kinds", "from flask_boiler.view import http", "higher floor"),
        ("viewmodels.store", "def f():\n    import flask_boiler.view.live", "higher floor"),
        ("engine.engine", "from ..context.config import Config", "its neighbour"),
        ("view.http.routes", "import flask_boiler.view.socketio.rooms", "its neighbour"),
        ("engine.engine", "from google.cloud import firestore", "only firestore, context"),
        ("models.query", "if TYPE_CHECKING:\n    import grpc", "only firestore, context"),
        ("viewmodels.store", "from flask import g", "only view, contracts"),
        ("ground.x", "import_module('flask_boiler.engine.engine')", "higher floor"),
        ("ground.x", "importlib.import_module('flask_boiler.view')", "higher floor"),
        ("ground.x", "__import__('grpc')", "only firestore, context"),
        ("engine.x", "from flask_boiler.firestore.listen.hub import Hub", "an adapter"),
        ("view.inbox.x", "import flask_boiler.firestore.datastore", "an adapter"),
        ("engine.engine", "from flask_boiler import Store", "there for users"),
        ("engine.engine", "from flask_boiler.store import Store", "there for users"),
        ("local.embedded.storage.x", "import flask_boiler.ground.naming", "the server imports"),
        (
            "local.embedded.storage.x",
            "import flask_boiler.local.embedded.writes.writes",
            "from a higher layer",
        ),
    ],
)
def test_a_broken_rule_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, line: str, complaint: str
) -> None:
    monkeypatch.setattr("tests.sources.ROOT", tmp_path)
    assert complaint in "\n".join(broken_rules(written(tmp_path, module, line)))


@pytest.mark.parametrize(
    ("module", "line", "complaints"),
    [
        ("viewmodels.x", "live = provided('live_views')", 0),
        ("view.inbox.x", "live = provided('live_views')", 1),
        ("operate.x", "def f():\n    ports.provided('live_views')", 1),
        ("viewmodels.x", "provided(role)", 1),
        ("viewmodels.x", "provided('lively_views')", 1),
    ],
)
def test_a_needless_role_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, line: str, complaints: int
) -> None:
    monkeypatch.setattr("tests.sources.ROOT", tmp_path)
    assert len(needless_roles(written(tmp_path, module, line))) == complaints


def written(root: Path, module: str, text: str) -> Source:
    """A file of the package that is written for a test."""
    path = root / "flask_boiler" / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Source(path)


def test_a_circle_is_seen() -> None:
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": set[str]()}
    assert list(circles(graph)) == [{"a", "b", "c"}]


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
    found = json.loads(done.stdout)
    assert [name for name in found.pop("modules") if name.startswith("flask_boiler")] == [
        "flask_boiler"
    ]
    assert found == {"files": [], "threads": 1}
