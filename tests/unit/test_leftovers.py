"""Nothing in the code that was meant to go again, and no room without a name."""

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator

from tests.sources import PACKAGE, ROOT, Source, package_sources, sources_below

NOT_USED_AS_MODULE = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}
NOT_USED_IN_NAMES = {"util", "utils", "helper", "helpers", "misc", "dav", "dm", "vm", "struct"}
NAMES_OF_THE_SPECIFICATION = {"dm_cls"}
MOST_FILES_OF_A_ROOM = 16

# Built so that this file does not find itself.
DEFERRED = re.compile(rf"\b({'|'.join(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'])})\b")


def test_no_comment_defers_anything() -> None:
    assert [
        f"{source.path.relative_to(ROOT)}:{token.start[0]}: {token.string}"
        for source in [*package_sources(), *sources_below("tests", "examples", "benchmarks")]
        for token in tokens(source)
        if token.type in (tokenize.COMMENT, tokenize.STRING) and DEFERRED.search(token.string)
    ] == []


def test_modules_and_definitions_are_called_what_they_are() -> None:
    sources = package_sources()
    assert {source.path.stem for source in sources} & NOT_USED_AS_MODULE == set()
    assert [
        f"{source.module}.{name}"
        for source in sources
        for name in definitions(source)
        if words(name) & NOT_USED_IN_NAMES
    ] == []


def test_a_room_says_what_it_is_for_and_what_it_imports() -> None:
    rooms = [s for s in package_sources() if s.path.stem == "__init__" and s.path.parent != PACKAGE]
    said = {room.module: ast.get_docstring(room.tree) or "" for room in rooms}
    assert [module for module, text in said.items() if "import" not in text] == []


def test_a_room_has_few_files() -> None:
    files = Counter(s.path.parent for s in package_sources() if s.path.stem != "__init__")
    assert {str(room): n for room, n in files.items() if n > MOST_FILES_OF_A_ROOM} == {}


def test_no_file_is_called_what_another_one_is() -> None:
    # What stands at the top only gives again what a file of its name defines.
    files = [s.path.stem for s in package_sources() if s.path.parent != PACKAGE]
    assert [n for n, times in Counter(files).items() if times > 1 and n != "__init__"] == []


def test_no_request_leaves_anything_in_a_place_that_outlives_it() -> None:
    # flask.g belongs to the application's context, which somebody may leave pushed.
    assert [
        f"{source.module}:{line}"
        for source in [*package_sources(), *sources_below("examples")]
        for imported, line in source.imports()
        if imported == "flask.g"
    ] == []
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")]
    pushing = re.compile(r"^[^`]*\.app_context\(\)\.push\(\)", re.MULTILINE)
    assert [d.name for d in documents if pushing.search(d.read_text(encoding="utf-8"))] == []


def test_no_exception_is_caught_and_dropped() -> None:
    assert [
        f"{source.module}:{node.lineno}"
        for source in package_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and does_nothing(node)
    ] == []


def tokens(source: Source) -> Iterator[tokenize.TokenInfo]:
    with source.path.open("rb") as file:
        yield from tokenize.tokenize(file.readline)


def definitions(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg) and node.arg not in NAMES_OF_THE_SPECIFICATION:
            yield node.arg


def words(name: str) -> set[str]:
    """The words of a name, in either case convention."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


def catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    return caught is None or (
        isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")
    )


def does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(isinstance(node, ast.Pass | ast.Continue) for node in handler.body)


def test_words_are_found_in_both_conventions() -> None:
    assert words("HTTPHelper") == {"http", "helper"}
    assert words("make_dm_cls2") == {"make", "dm", "cls2"}
