"""What Google's system tests need beyond pytest: loaded by pytest beside them (``-p``).

It stands in for the packages that they import (``mock``, ``test_utils``, ``pytest_asyncio``),
stores the documents that some are about, and runs also those that are marked to be skipped, as many
are on Google's emulator.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import runpy
import sys
import types
import unittest.mock
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

# One for the whole session: their clients are shared between tests, and are bound to a loop.
_loop = asyncio.new_event_loop()


# Packages that they import.


def _fixture(*functions: Callable[..., Any], **options: Any) -> Any:
    """``pytest_asyncio.fixture``."""
    if not functions:
        return lambda function: _fixture(function, **options)
    (function,) = functions
    made = _generating(function) if inspect.isasyncgenfunction(function) else _awaiting(function)
    return pytest.fixture(made, **options)


def _generating(
    function: Callable[..., AsyncGenerator[Any, None]],
) -> Callable[..., Generator[Any, None, None]]:
    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        generator = function(*args, **kwargs)
        yield _loop.run_until_complete(anext(generator))
        with pytest.raises(StopAsyncIteration):
            _loop.run_until_complete(anext(generator))

    return generate


def _awaiting(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wait(*args: Any, **kwargs: Any) -> Any:
        return _loop.run_until_complete(function(*args, **kwargs))

    return wait


def _module(name: str, **members: Any) -> None:
    made = types.ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made


sys.modules["mock"] = unittest.mock
_module("pytest_asyncio", fixture=_fixture)
_module("test_utils")
_module(
    "test_utils.system",
    EmulatorCreds=AnonymousCredentials,
    unique_resource_id=lambda delimiter="_": f"{delimiter}{uuid.uuid4().hex}",
)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    _loop.run_until_complete(pyfuncitem.obj(**arguments))
    return True


# What they find.


def pytest_sessionstart(session: pytest.Session) -> None:
    """Store what is searched for vectors; it comes with the tests, as something to be run once."""
    path = session.config.rootpath / "util" / "bootstrap_vector_index.py"
    create = runpy.run_path(str(path))["create_vector_documents"]
    for database in ("(default)", os.environ["SYSTEM_TESTS_DATABASE"]):
        client = firestore.Client(
            project=os.environ["GCLOUD_PROJECT"],
            credentials=AnonymousCredentials(),
            database=database,
        )
        create(client, "vector_search")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests run that are marked to be skipped; a file that is, is."""
    for item in items:
        item.own_markers[:] = [m for m in item.own_markers if m.name not in ("skip", "skipif")]


def pytest_sessionfinish() -> None:
    _loop.close()
