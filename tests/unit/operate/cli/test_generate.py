"""``flask boiler generate``: documents that are written, and found out of date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_boiler import Attr, DomainModel, RestMediator, Store, ViewModel, attrs, reference
from flask_boiler.openapi import openapi_document
from flask_boiler.operate.cli import boiler_cli


class Shop(DomainModel):
    title: Attr[str]

    class Meta:
        collection_name = "generated_shops"


class ShopStore(Store):
    shop = reference(Shop)


class ShopView(ViewModel):
    store: ShopStore
    title = attrs.through("shop.title")

    class Meta:
        path = "shopView/{shop.doc_id}"


@pytest.fixture
def app() -> Flask:
    app = Flask("shops")
    RestMediator(ShopView, app=app).add_instance_get("/shops/<doc_id>")
    return app


def call(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(boiler_cli, ["generate", *arguments])


def test_the_document_is_printed(app: Flask) -> None:
    result = call(app, "openapi")
    assert result.exit_code == 0
    assert json.loads(result.output) == json.loads(json.dumps(openapi_document(app)))
    assert "/shops/{doc_id}" in json.loads(result.output)["paths"]
    result = call(app, "asyncapi")
    assert (result.exit_code, json.loads(result.output)["asyncapi"]) == (0, "3.0.0")


def test_a_file_is_written_and_known_to_be_up_to_date(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    check = ("openapi", "--out", str(file), "--check")
    result = call(app, *check)
    assert result.exit_code == 1
    assert f"{file} is missing: run this without --check" in result.output
    assert not file.exists()
    result = call(app, "openapi", "--out", str(file))
    assert (result.exit_code, result.output) == (0, f"wrote {file}\n")
    assert file.read_text() == call(app, "openapi").output
    result = call(app, *check)
    assert (result.exit_code, result.output) == (0, f"{file} is up to date\n")
    # As a checkout on Windows has it.
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert call(app, *check).exit_code == 0
    RestMediator(ShopView, app=app).add_instance_get("/stores/<doc_id>")
    before = file.read_bytes()
    result = call(app, *check)
    assert result.exit_code == 1
    assert f"{file} is out of date: run this without --check" in result.output
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_written_or_read_is_said(app: Flask, tmp_path: Path) -> None:
    result = call(app, "openapi", "--out", str(tmp_path / "missing" / "openapi.json"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.output
    result = call(app, "openapi", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "is a directory" in result.output
