"""Events of documents, as Firestore's triggers post them."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, unquote

from google.events.cloud.firestore_v1 import DocumentEventData

from flask_boiler import ApplicationContext

KINDS = ("created", "updated", "deleted", "written")


def headers(context: ApplicationContext, path: str, *, kind: str = "written") -> dict[str, str]:
    database = context.datastore.database
    return {
        "ce-id": f"{kind}-{path}",
        "ce-source": f"//firestore.googleapis.com/{database}",
        "ce-specversion": "1.0",
        "ce-type": f"google.cloud.firestore.document.v1.{kind}",
        "ce-subject": f"documents/{_in_header(path)}",
        "ce-document": _in_header(path),
        "ce-project": context.project,
        "ce-database": database.rpartition("/")[2],
        "content-type": "application/protobuf",
    }


def _in_header(text: str) -> str:
    """As CloudEvents have it in HTTP: all but printable ASCII as percent signs and digits."""
    printable = "".join(map(chr, range(0x21, 0x7F)))
    return quote(text, safe=printable.replace('"', "").replace("%", ""))


def message(context: ApplicationContext, path: str, *, kind: str = "written") -> Any:
    """What the event carries; not what is stored: nobody may rely on it."""
    made = DocumentEventData.pb()()
    document = made.old_value if kind == "deleted" else made.value
    document.name = context.datastore.codec.name(path)
    document.fields["amount"].integer_value = 1_000_000
    return made


def protobuf_event(
    context: ApplicationContext, path: str, *, kind: str = "written"
) -> tuple[dict[str, str], bytes]:
    body: bytes = message(context, path, kind=kind).SerializeToString()
    return headers(context, path, kind=kind), body


def emulator_event(
    context: ApplicationContext, path: str, *, kind: str = "written"
) -> tuple[dict[str, str], bytes]:
    """Google's emulator posts the message as base64."""
    given, body = protobuf_event(context, path, kind=kind)
    return given, base64.b64encode(body)


def json_event(
    context: ApplicationContext, path: str, *, kind: str = "written"
) -> tuple[dict[str, str], bytes]:
    name = context.datastore.codec.name(path)
    document = {"name": name, "fields": {"amount": {"integerValue": "1000000"}}}
    body = {"oldValue" if kind == "deleted" else "value": document}
    given = headers(context, path, kind=kind) | {"content-type": "application/json"}
    return given, json.dumps(body).encode()


def structured_event(
    context: ApplicationContext, path: str, *, kind: str = "written"
) -> tuple[dict[str, str], bytes]:
    """Everything in the body, as JSON."""
    given, body = json_event(context, path, kind=kind)
    event = {k.removeprefix("ce-"): unquote(v) for k, v in given.items() if k.startswith("ce-")}
    event |= {"datacontenttype": "application/json", "data": json.loads(body)}
    return {"content-type": "application/cloudevents+json"}, json.dumps(event).encode()
