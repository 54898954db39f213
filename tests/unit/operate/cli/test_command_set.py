"""The commands as one set: what each loads, says and exits with before it works with anything."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo

from flask_boiler.errors import ConfigurationError
from flask_boiler.operate.cli import boiler_cli

#: Calls commands, one after the other, and then prints which modules that has loaded.
PROGRAM = """
import json, sys
before = set(sys.modules)
from flask.cli import cli
status = 0
for line in sys.argv[1].splitlines():
    try:
        cli.main(line.split(), prog_name="flask")
    except SystemExit as end:
        status = status or end.code
print("modules", json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
sys.exit(status)
"""
CLIENTS = ("google.", "firebase_admin.")
#: What makes clients, and what an application is made of.
OURS = (
    "flask_boiler.context.clients",
    "flask_boiler.firestore.datastore",
    "flask_boiler.operate.extension",
    "flask_boiler.view.",
)


def commands(
    group: click.Group = boiler_cli, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, with the words that lead to it."""
    yield above, group
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from commands(command, (*above, name))
            else:
                yield (*above, name), command


def in_a_process_of_its_own(folder: Path, *lines: str) -> tuple[int, str, list[str]]:
    """The status, what is said, and the modules that are loaded at the end."""
    (folder / "app.py").write_text("raise SystemExit('the application was loaded')\n")
    environment = {name: text for name, text in os.environ.items() if "FIRESTORE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "\n".join(f"boiler {line}" for line in lines)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said, _, modules = done.stderr.rpartition("modules ")
    return done.returncode, done.stdout + said, json.loads(modules)


def loaded(modules: list[str], *names: str) -> list[str]:
    return [module for module in modules if f"{module}.".startswith(names)]


def test_help_loads_no_application_and_no_client(tmp_path: Path) -> None:
    lines = [" ".join((*words, "--help")) for words, _ in commands()]
    status, said, modules = in_a_process_of_its_own(tmp_path, *lines)
    assert (status, said.count("Usage: "), "was loaded" in said) == (0, len(lines), False), said
    assert loaded(modules, *CLIENTS, *OURS, "grpc.") == []


def test_waiting_loads_no_application_and_no_client(tmp_path: Path) -> None:
    status, said, modules = in_a_process_of_its_own(tmp_path, "wait --wait 0 --host 127.0.0.1:1")
    assert status == 1
    assert "gave up after 0 s: no Firestore answers at 127.0.0.1:1 (" in said
    assert loaded(modules, *CLIENTS, *OURS, "grpc.") == []


def test_asking_a_server_for_its_data_loads_no_application_and_no_client(tmp_path: Path) -> None:
    status, said, modules = in_a_process_of_its_own(
        tmp_path, "firestore export x --host 127.0.0.1:1"
    )
    assert status == 1
    assert "no Firestore answers at 127.0.0.1:1" in said
    assert loaded(modules, *CLIENTS, *OURS) == []


def test_the_embedded_firestore_loads_no_application_and_makes_no_client(tmp_path: Path) -> None:
    status, said, modules = in_a_process_of_its_own(tmp_path, "firestore start --address 0.0.0.0")
    assert status == 1
    assert "does not listen at 0.0.0.0" in said
    # The messages that it speaks are part of Google's package, which loads all of itself.
    assert loaded(modules, *OURS, "google.cloud.firestore.", "firebase_admin.") == []


def test_each_command_is_said_in_a_line_and_says_what_it_exits_with() -> None:
    for words, command in commands():
        context = click.Context(command)
        text = command.get_help(context)
        assert "..." not in text.partition("\nCommands:")[2], f"too long: {text}"
        first = (command.help or "").partition("\n")[0]
        assert first.endswith("."), words
        if not isinstance(command, click.Group):
            assert "Exits with 0" in text, words


def test_what_lists_has_json() -> None:
    listing = {words: command for words, command in commands() if words[-1:] == ("list",)}
    assert listing.keys() == {("tasks", "list"), ("views", "list")}
    for command in listing.values():
        assert "--json" in {name for option in command.params for name in option.opts}


def call(*arguments: str, app: Any = None) -> Any:
    def create_app(*_: object) -> Flask:
        if isinstance(app, Exception):
            raise app
        return app or Flask("bare")

    return CliRunner().invoke(boiler_cli, arguments, obj=ScriptInfo(create_app=create_app))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["view"], "there is no command 'view'; did you mean 'views'?"),
        (["nonsense"], "there are firestore, generate, run, tasks, views, wait"),
        (["run", "--http", "8081"], "'8081' is not HOST:PORT, such as 127.0.0.1:8081"),
        (["run", "--wait", "soon"], "'soon' is not a number of seconds"),
        (["run", "--wait", "-1"], "'-1' is not a number of seconds"),
        (["run", "--wait", "nan"], "'nan' is not a number of seconds"),
        (["run", "--status-every", "x"], "'x' is not a number of seconds"),
        (["views", "retry"], "or --all"),
        (["tasks", "drop"], "or --all"),
        (["generate", "openapi", "--check"], "give it with --out F"),
        (["wait", "--host", "h:x"], "--host is 'h:x', which is not HOST:PORT"),
    ],
)
def test_a_call_that_makes_no_sense_is_said_to(arguments: list[str], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output


@pytest.mark.parametrize("arguments", [["run"], ["views", "list"], ["tasks", "list"]])
def test_an_application_that_cannot_be_worked_with_is_told_from_what_is_found(
    arguments: list[str],
) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "the app 'bare' has no Boiler: make one with Boiler(app)" in result.output
    result = call(*arguments, app=ConfigurationError("there is no key 'projct'"))
    assert result.exit_code == 2
    assert result.output == "Error: the application cannot be loaded: there is no key 'projct'\n"
    result = call(*arguments, app=KeyError("DB"))
    assert result.exit_code == 2
    assert result.output.endswith("Error: the application cannot be loaded: KeyError: 'DB'\n")
    # Whoever wrote it is shown where.
    assert "in create_app" in result.output


def test_nothing_is_waited_for_that_nobody_would_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    result = call("wait")
    assert result.exit_code == 2
    assert "there is nothing to wait for" in result.output
    monkeypatch.setenv("BOILER_PROJECT", "cities")
    result = call("wait")
    assert (result.exit_code, "was not asked" in result.output) == (0, True)
    (tmp_path / "boiler.yaml").write_text("firestore_file: data.db\n")
    result = call("wait", "--wait", "0")
    assert result.exit_code == 1
    assert f"with the data of {tmp_path / 'data.db'} (no process serves it)" in result.output
    (tmp_path / "boiler.yaml").write_text("firestore_fil: data.db\n")
    assert call("wait").exit_code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_has_no_room_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask('bare')\n")
    command = [sys.executable, "-m", "flask", "boiler", "generate", "openapi"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    said = f"Error: the output could not be written: {os.strerror(errno.ENOSPC)}\n"
    assert (done.returncode, done.stderr) == (2, said)
