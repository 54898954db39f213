"""The package's source files, parsed: what tests about the code itself look at."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "flask_boiler"

#: Functions that import a module which is named by a text, or look whether there is one.
IMPORTING_CALLS = {"import_module", "__import__", "find_spec", "run_module"}


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path

    @property
    def module(self) -> str:
        """Its dotted name, as Python imports it."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every module it imports, also in functions and for type checkers, with its line.

        ``from a import b`` gives ``a.b``, since ``b`` may be a module. A module that is imported
        by a call counts, too; it is ``?`` if only the running program knows its name.
        """
        package = self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                start = ".".join([*parents, node.module or ""]) if node.level else node.module
                yield from ((f"{start}.{alias.name}", node.lineno) for alias in node.names)
            elif isinstance(node, ast.Call) and called(node) in IMPORTING_CALLS:
                yield (first_text(node) or "?", node.lineno)


def called(call: ast.Call) -> str:
    """The last name of what is called: ``f`` for both ``f()`` and ``a.f()``."""
    return ast.unparse(call.func).rpartition(".")[2]


def first_text(call: ast.Call) -> str | None:
    """The first argument, if it is a text that the source has."""
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def package_sources() -> list[Source]:
    """All files of the package."""
    return [Source(path) for path in sorted(PACKAGE.rglob("*.py"))]


def sources_below(*folders: str) -> list[Source]:
    """All Python files below these folders of the project, as far as they exist."""
    return [Source(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
