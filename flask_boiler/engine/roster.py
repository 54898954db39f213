"""A roster: a live view that has other views kept, one for each entry, and stores nothing itself.

::

    what says who there is ──► roster: entries, each with a token ──► the engine keeps their views

A view of an entry says for itself whether it is still one: it asks the same cut. So the roster only
has those views computed that are new, whose token differs, or that are entries no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents, DocumentSink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Incomplete

__all__ = ["Entries", "roster"]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a roster in one cut.

    :param tokens: by the keys of their views; equal, if the view need not be computed again.
    :param left: views that are no entries, beside those that were before.
    :param others: further views that are to be computed once more.
    :param gone: there will be no entries any more: the roster ends.
    :param error: why not all is as it should be; the roster is parked with it, or waits.
    """

    tokens: Mapping[ViewKey, Hashable] = field(default_factory=dict)
    left: Collection[ViewKey] = ()
    others: Collection[ViewKey] = ()
    gone: bool = False
    error: Exception | Incomplete | None = None


def roster(
    key: ViewKey,
    entries: Callable[[CutReader], Entries],
    keep: Callable[[Collection[ViewKey], Collection[ViewKey]], None],
    sink: DocumentSink,
) -> LiveView[Documents]:
    """The live view that has the views of some entries kept.

    :param entries: gives the entries in the cut of a reader.
    :param keep: has the views computed of those that left, and then others, which are kept from
        now on if they are new.
    :param sink: is given no documents; what a view of this key has left at places is removed.
    """
    known: Mapping[ViewKey, Hashable] = {}

    def compute(reader: CutReader) -> Computed[Documents]:
        nonlocal known
        found = entries(reader)
        before, known = known, found.tokens
        differing = [each for each, token in known.items() if before.get(each, known) != token]
        left = dict.fromkeys([*found.left, *(each for each in before if each not in known)])
        keep(left, [*differing, *found.others])
        if found.error is not None:
            raise found.error
        return Documents().computed(gone=found.gone)

    return LiveView(key, compute, sink, keeps=lambda: known)
