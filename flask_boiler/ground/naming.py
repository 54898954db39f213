"""The conversion between attribute names and field names, and rules for the names of documents.

Ordinary names become camelCase; everything else is kept as it is as far as that leaves
the way back unambiguous:

==========================  ======================  ===========================================
attribute                   field                   because
==========================  ======================  ===========================================
``first_name``              ``firstName``           ``_`` and a letter a-z become the capital
``a1_b2``                   ``a1B2``
``address_1``               ``address_1``           there is no capital 1
``_leading``                ``_leading``            a leading ``_`` is kept with what follows
``double__underscore``      ``double__underscore``  of several ``_``, none makes a capital
``trailing_``               ``trailing_``
``URLs``, ``Foo_bar``       the same                a field from ``snake_case`` never starts so
``maxURL``                  ``max_U_R_L``           a capital of the attribute's own gets a ``_``
``__init__``                ``$__init__``           Firestore reserves ``__…__``
==========================  ======================  ===========================================
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable

__all__ = [
    "FRAMEWORK_PREFIX",
    "attribute_name_of",
    "field_name_of",
    "id_fault",
    "is_reserved_field",
    "nearest",
    "record_id",
]

#: What the collections of the framework's own begin with.
FRAMEWORK_PREFIX = "_boiler"

_MAX_ID_BYTES = 1500
# A record's id that would be longer is replaced by its digest.
_LONGEST_RECORD_ID_BYTES = 1000

_RESERVED = re.compile(r"__.*__", re.DOTALL)
_CAPITAL_FIRST = re.compile(r"[A-Z]")
# A capital of the name's own, or a lone underscore between a character and a small letter.
_FORWARD = re.compile(r"[A-Z]|(?<=[^_])_[a-z]")
_BACKWARD = re.compile(r"_?[A-Z]")


def field_name_of(attribute_name: str) -> str:
    """The field name of an attribute; different attributes have different field names.

    >>> field_name_of("first_name")
    'firstName'
    """
    if _CAPITAL_FIRST.match(attribute_name):
        return attribute_name
    field = _FORWARD.sub(_to_camel, attribute_name)
    return f"${field}" if _RESERVED.fullmatch(field) else field


def attribute_name_of(field_name: str) -> str:
    """The attribute name of a field: the inverse of :func:`field_name_of`.

    >>> attribute_name_of("firstName")
    'first_name'
    """
    if _CAPITAL_FIRST.match(field_name):
        return field_name
    return _BACKWARD.sub(_to_snake, field_name.removeprefix("$"))


def nearest(name: object, known: Iterable[str]) -> str:
    """The text "did you mean …" with the known name that is most similar, or an empty text.

    >>> nearest("contry", ["country", "capital"])
    "; did you mean 'country'?"
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def is_reserved_field(field_name: str) -> bool:
    """Whether a field name is reserved by Firestore."""
    return _RESERVED.fullmatch(field_name) is not None


def id_fault(doc_id: str) -> str | None:
    """The reason why Firestore does not take this document id, or ``None`` if it does."""
    if not doc_id or "/" in doc_id or doc_id in (".", ".."):
        return (
            f"{doc_id!r:.60} is not a document id: an id is not empty, not '.' or '..', and "
            "contains no slash"
        )
    if _RESERVED.fullmatch(doc_id):
        return f"{doc_id!r:.60} is reserved by Firestore"
    try:
        length = len(doc_id.encode())
    except UnicodeEncodeError:
        return f"{doc_id!r:.60} is not a Unicode text"
    return f"longer than {_MAX_ID_BYTES} bytes" if length > _MAX_ID_BYTES else None


def record_id(name: str) -> str:
    """The document id under which something is recorded that has a path, or another name.

    >>> record_id("cityView/SF")
    'cityView|SF'
    """
    # '|' is legal in ids and rare in paths; escaping it keeps the mapping exact.
    doc_id = name.replace("%", "%25").replace("|", "%7C").replace("/", "|")
    if doc_id.startswith("__"):
        # Firestore keeps ids such as __x__ for itself.
        doc_id = f"%5F{doc_id[1:]}"
    if len(doc_id.encode()) > _LONGEST_RECORD_ID_BYTES:
        doc_id = hashlib.sha256(name.encode()).hexdigest()
    return doc_id


def _to_camel(found: re.Match[str]) -> str:
    text = found[0]
    return text[1].upper() if text[0] == "_" else f"_{text}"


def _to_snake(found: re.Match[str]) -> str:
    text = found[0]
    return text[1] if text[0] == "_" else f"_{text.lower()}"
