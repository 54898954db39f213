"""``docs/coming-from-2020.md`` has every name of 2020, and what it gives instead exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

import flask_boiler
from flask_boiler import DomainModel, Form
from tests.docs.snippets import ROOT
from tests.docs.test_commands_page import COMMANDS

PAGE = (ROOT / "docs" / "coming-from-2020.md").read_text(encoding="utf-8")
#: What stands in the column of names if there is none.
NOTHING = "none"
META = DomainModel.META_OPTIONS | Form.META_OPTIONS

#: What applications of 2020 imported, or called.
OLD_NAMES = [
    *("PrimaryObject", "FirestoreObject", "ReferencedObject", "DomainModel"),
    *("Serializable", "Schema", "BasicSchema", "ClsFactory", "schema_cls", "fields.Raw"),
    *("fields.Str", "fields.Integer", "fields.Boolean", "fields.List", "fields.Dict"),
    *("fields.Relationship", "fields.Embedded", "fields.Localtime"),
    *("fields.StructuralRef", "attrs.bproperty", "attrs.embed", "snapshot_to_obj"),
    *("_remainder", "run_transaction", "to_dict", "to_view_dict", "update_vals", "ViewModel"),
    *("ViewModel.get", "struct_d", "once", "f_notify", "get_many", "Struct", "SnapshotStruct"),
    *("SnapshotContainer", "BPSchema", "BusinessPropertyStore", "SimpleStore", "bind_to"),
    *("register_listener", "get_vm_update_callback", "propagate_back"),
    *("propagate_change", "Store", "reference", "ViewMediatorDAV", "ViewMediatorDeltaDAV"),
    *("view_mediator_dav", "ProtocolBase", "OnSnapshotTasksMixin", "view_mediator"),
    *("ViewMediatorWebsocket", "view_mediator_websocket", "RestMediator", "ListGet"),
    *("Mutation", "PatchMutation", "mutate_patch_one", "create_mutation_protocol"),
    *("retrofit", "context.Context", "config.Config", "CTX.read", "CTX.load", "CTX.db"),
    *("CTX.firebase_app", "transaction_var", "FB_CONFIG_FILENAME", "auth.authenticate"),
    *("_wait", "_delete_all"),
]


def rows() -> Iterator[list[str]]:
    """The cells of each row of the tables of names."""
    for table in re.findall(r"^\| 2020 \| now \|.*\n\|-.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for line in table.splitlines():
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def named(name: str) -> Any:
    """What a public name means.

    :raises AttributeError: nothing.
    """
    if name.startswith("flask_boiler."):
        return importlib.import_module(name)
    if name.startswith("Meta."):
        return next(option for option in META if option == name.removeprefix("Meta."))
    if name.startswith("flask "):
        return COMMANDS[COMMANDS.index(name.removeprefix("flask "))]
    found: Any = flask_boiler
    for part in name.split("."):
        found = getattr(found, part)
    return found


NOW = sorted({name for row in rows() for name in spans(row[1])})


def test_each_row_has_its_cells_and_says_what_is_now() -> None:
    told = [
        len(row) == 3 and spans(row[0]) and (spans(row[1]) or row[1] == NOTHING) for row in rows()
    ]
    assert told and all(told)


@pytest.mark.parametrize("name", NOW)
def test_a_name_that_is_given_instead_is_public(name: str) -> None:
    assert named(name) is not None


@pytest.mark.parametrize("name", ["ViewModel.gett", "Meta.pth", "flask boiler rnu", "Sere"])
def test_a_name_that_does_not_exist_would_be_found(name: str) -> None:
    with pytest.raises((AttributeError, StopIteration, ValueError)):
        named(name)


def test_every_old_name_is_there() -> None:
    old = " ".join(span for row in rows() for span in spans(row[0]))
    missing = [n for n in OLD_NAMES if not re.search(rf"(?<!\w){re.escape(n)}(?!\w)", old)]
    assert missing == []
