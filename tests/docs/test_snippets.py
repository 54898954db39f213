"""Every document keeps its word: its Python runs, prints what it says, its links lead somewhere."""

from __future__ import annotations

import ast
import builtins
import contextlib
import contextvars
import importlib
import io
import os
import re
import subprocess
import sys
import tomllib
import types
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flask_boiler import CTX, Boiler, Config, errors
from flask_boiler.ground.ports import LocalFirestore
from tests.docs.snippets import ROOT, Snippet, documents, snippets
from tests.processes import WITHOUT_SLOW_PLUGINS

_TIMEOUT_S = 300.0
_LANGUAGES = {"python", "sh", "text", "yaml", "toml"}


@dataclass
class World:
    """Where the snippets of one document run: one namespace, one folder, one empty database.

    :param alone: the environment of programs, which start a Firestore by themselves.
    """

    module: types.ModuleType
    folder: Path
    alone: dict[str, str]
    printed: str = ""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def run(self, snippet: Snippet) -> None:
        """Do with a snippet what its language and mark say."""
        if snippet.mark == "program":
            self.printed = self._run_by(snippet, [sys.executable], self.alone)
        elif snippet.mark == "pytest":
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            command += WITHOUT_SLOW_PLUGINS
            self._run_by(snippet, command, dict(os.environ))
        elif snippet.mark == "output":
            _compare(snippet, self.printed)
        elif snippet.mark == "file":
            (self.folder / snippet.argument).write_text(snippet.code, encoding="utf-8")
        elif snippet.language == "python":
            self._execute(snippet)

    def _execute(self, snippet: Snippet) -> None:
        tree = ast.increment_lineno(ast.parse(snippet.code), snippet.line - 1)
        code = compile(tree, str(snippet.document), "exec", dont_inherit=True)
        wanted = _error_class(snippet)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            if wanted is None:
                self.context.run(exec, code, vars(self.module))
            else:
                with pytest.raises(wanted):
                    self.context.run(exec, code, vars(self.module))
        self.printed = printed.getvalue()

    def _run_by(self, snippet: Snippet, command: list[str], environment: dict[str, str]) -> str:
        path = self.folder / f"test_snippet_{snippet.line}.py"
        path.write_text(snippet.code, encoding="utf-8")
        done = subprocess.run(
            [*command, str(path)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**environment, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        )
        assert done.returncode == 0, f"{snippet.where}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End whatever the snippets started and did not end."""
        for value in list(vars(self.module).values()):
            if isinstance(value, Boiler):
                value.close()
        with contextlib.suppress(errors.ConfigurationError):
            CTX.last_read().close()


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    firestore_emulator: LocalFirestore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[World]:
    """An empty project that everything in this process finds by the environment."""
    alone = dict(os.environ)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)
    monkeypatch.setenv("BOILER_PROJECT", f"docs-{uuid.uuid4().hex[:20]}")
    monkeypatch.chdir(tmp_path)
    # Models are known by module and name: each document has a module of its own.
    module = types.ModuleType(f"snippets_{uuid.uuid4().hex}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # A document configures what it uses, or it would not work for its readers.
    monkeypatch.setattr(CTX, "_last", None)
    world = World(module, tmp_path, alone)
    yield world
    world.close()


def _name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_the_snippets_of_a_document_run_in_order(document: Path, world: World) -> None:
    for snippet in snippets(document):
        try:
            world.run(snippet)
        except BaseException as error:
            error.add_note(f"in the snippet at {snippet.where}")
            raise


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_every_code_block_says_what_it_is(document: Path) -> None:
    for snippet in snippets(document):
        assert snippet.language in _LANGUAGES, f"{snippet.where}: {snippet.language or 'nothing'}"


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_the_make_targets_that_a_document_names_exist(document: Path) -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", rules, re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    shell = "".join(s.code for s in snippets(document) if s.language == "sh")
    named = set(re.findall(r"`make ([\w-]+)", text)) | set(re.findall(r"\bmake ([\w-]+)", shell))
    assert named <= targets


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), f"{_name(document)} links to {target}"
        if anchor:
            assert anchor in _anchors(linked), f"{_name(document)} links to {target}"


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_the_tests_that_a_document_names_exist(document: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document.read_text(encoding="utf-8"))
    for path, test in named:
        assert (ROOT / path).is_file(), f"{_name(document)} names {path}"
        defined = (ROOT / path).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in defined, f"{_name(document)} names {path}::{test}"


@pytest.mark.parametrize("name", ["architecture", "guarantees"])
def test_the_files_that_a_page_about_the_code_names_exist(name: str) -> None:
    document = ROOT / "docs" / f"{name}.md"
    drawn = "".join(s.code for s in snippets(document) if s.language == "text")
    path = r"([a-z_]+(?:/[a-z_]+)+)"
    named = re.findall(f"`{path}`", document.read_text(encoding="utf-8"))
    for file in {*named, *re.findall(rf"(?:^|\s){path}\b(?!/)", drawn)}:
        where = [ROOT / file, ROOT / "flask_boiler" / file, ROOT / "flask_boiler" / f"{file}.py"]
        assert any(path.exists() for path in where), f"{_name(document)} names {file}"


def test_the_classes_that_the_architecture_names_are_where_it_says() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)\.([A-Z]\w+)`", text)
    assert named
    for module, defined in named:
        assert hasattr(importlib.import_module(f"flask_boiler.{module}"), defined), module


@pytest.mark.parametrize(
    "wrong", ["<!-- raises: ValueError -->\n```sh\nls\n```\n", "```python\nprint()\n"]
)
def test_a_block_that_nobody_would_run_is_refused(wrong: str, tmp_path: Path) -> None:
    document = tmp_path / "imagined.md"
    document.write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match=r"means nothing|has no end"):
        list(snippets(document))


def test_the_architecture_has_a_place_for_every_room() -> None:
    drawn = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "flask_boiler"
    rooms = {p.stem for p in package.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    missing = {room for room in rooms - {"__init__"} if f"`{room}`" not in drawn}
    assert not missing, f"docs/architecture.md does not say on which floor {missing} are"


def test_the_configuration_page_has_every_key() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = page[page.index("## Keys") : page.index("## Three ways")]
    assert set(re.findall(r"^\| `(\w+)`", keys, re.MULTILINE)) == set(Config.keys())


def test_the_dependencies_page_has_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *(r for extra in extras.values() for r in extra)]
    names = {re.split(r"[\[<>=!]", requirement)[0] for requirement in required}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    missing = {name for name in names - {project["name"]} if f"`{name}`" not in page}
    assert not missing, f"docs/dependencies.md has no line for {missing}"


def _anchors(document: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def _error_class(snippet: Snippet) -> type[BaseException] | None:
    if snippet.mark != "raises":
        return None
    found = getattr(errors, snippet.argument, None) or getattr(builtins, snippet.argument, None)
    assert isinstance(found, type) and issubclass(found, BaseException), (
        f"{snippet.where}: there is no error {snippet.argument}"
    )
    return found


def _compare(snippet: Snippet, printed: str) -> None:
    """What was printed is what the block shows, line by line."""
    shown, found = snippet.code.strip().splitlines(), printed.strip().splitlines()
    same = len(shown) == len(found) and all(map(_agree, shown, found))
    assert same, f"{snippet.where} shows\n{snippet.code}\nbut printed was\n{printed}"


def _agree(shown: str, found: str) -> bool:
    """Whether two lines are the same, or the same value: the fields of documents have no order."""
    if shown == found:
        return True
    try:
        return bool(ast.literal_eval(shown) == ast.literal_eval(found))
    except (SyntaxError, ValueError):
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        return re.fullmatch(pattern, found) is not None
