"""``docs/commands.md`` has every command, and of each what ``--help`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from flask_boiler.operate.cli import boiler_cli
from tests.docs.snippets import ROOT, snippets

PAGE = ROOT / "docs" / "commands.md"


def words_of_commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words after ``flask`` of every command that is no group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from words_of_commands(command, (*above, name))
        else:
            yield (*above, name)


COMMANDS = [" ".join(words) for words in words_of_commands(boiler_cli, ("boiler",))]


def shown() -> dict[str, str]:
    """What the page shows of each command."""
    blocks = [snippet.code for snippet in snippets(PAGE) if snippet.code.startswith("Usage: ")]
    names = [re.match(r"Usage: flask ([a-z ]+)(?= \[)", block) for block in blocks]
    return {match[1]: block for match, block in zip(names, blocks, strict=True) if match}


def test_the_page_has_all_commands_and_no_others() -> None:
    assert sorted(shown()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_shows_what_help_says(command: str) -> None:
    result = CliRunner().invoke(
        boiler_cli, [*command.split()[1:], "--help"], prog_name="flask boiler"
    )
    assert result.exit_code == 0
    # How wide lines are differs between versions of click.
    said = result.output
    assert shown()[command].split() == said.split(), f"docs/commands.md should show:\n{said}"
