"""``flask boiler generate``: documents that are made from an application."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import Flask

from flask_boiler.operate.cli.loading import (
    Failure,
    Undetermined,
    application,
    errors_shown,
)

__all__ = ["command"]

_STDOUT = Path("-")


@click.group("generate")
def command() -> None:
    """Generate files from the application, or check them."""


def _as_file(generate: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which file is written, or checked."""
    for option in (
        click.option("--check", is_flag=True, help="Only check whether F is up to date."),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            default=_STDOUT,
            metavar="F",
            help="The file to write; - is standard output.  [default: -]",
        ),
    ):
        generate = option(generate)
    return generate


@command.command("openapi")
@_as_file
def generate_openapi(out: Path, check: bool) -> None:
    """Write the OpenAPI document of the REST routes.

    The document is JSON. With --check nothing is written; F is compared with the document.

    Exits with 0 if it is written or F is up to date, 1 if F is out of date or cannot be written, 2
    if the document could not be made or F not be read.
    """
    from flask_boiler.contracts.documents import openapi_document

    _generate(openapi_document, out, check=check)


@command.command("asyncapi")
@_as_file
def generate_asyncapi(out: Path, check: bool) -> None:
    """Write the AsyncAPI document of the Socket.IO namespaces.

    The document is JSON. With --check nothing is written; F is compared with the document.

    Exits with 0 if it is written or F is up to date, 1 if F is out of date or cannot be written, 2
    if the document could not be made or F not be read.
    """
    from flask_boiler.contracts.documents import asyncapi_document

    _generate(asyncapi_document, out, check=check)


def _generate(document_of: Callable[[Flask], dict[str, Any]], out: Path, *, check: bool) -> None:
    """Write a document, or find out whether the file has it.

    :raises ClickException: the file differs, or cannot be read or written.
    """
    if check and out == _STDOUT:
        raise click.UsageError("--check compares with a file: give it with --out F")
    with errors_shown(failure=Undetermined):
        document = document_of(application())
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out == _STDOUT:
        click.echo(text, nl=False)
        return
    try:
        if check:
            _compare(text, out)
        else:
            out.write_text(text, encoding="utf-8", newline="\n")
            click.echo(f"wrote {out}")
    except OSError as error:
        kind = Undetermined if check else Failure
        raise kind(f"{out}: {error.strerror}") from error


def _compare(text: str, file: Path) -> None:
    # As git may check it out.
    found = file.read_bytes().replace(b"\r\n", b"\n") if file.exists() else None
    if found != text.encode():
        said = "is missing" if found is None else "is out of date"
        raise Failure(f"{file} {said}: run this without --check")
    click.echo(f"{file} is up to date")
