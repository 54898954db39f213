"""What is remembered of a cut, and when it is computed anew."""

from __future__ import annotations

import threading

import pytest

from flask_boiler.engine.cut_memo import CutMemo
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.ground.ports import Cut, Incomplete
from tests.unit.engine.fakes import ScriptedDatastore, ScriptedFeed


class Desk:
    """A memo of one document, over cuts that the test makes."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)
        self.feed.start()
        self.feed.listen(["towns/a", "towns/b"])
        self.computed: list[int] = []
        self.memo = CutMemo(self._compute)

    def cut(self, **titles: int) -> Cut:
        for name, number in titles.items():
            self.datastore.put(f"towns/{name}", {"number": number})
        self.feed.deliver(*(f"towns/{name}" for name in titles))
        return self.feed.cut

    def _compute(self, reader: CutReader) -> int:
        number: int = reader.documents(["towns/a"])["towns/a"].fields["number"]
        self.computed.append(number)
        return number


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_is_computed_again_only_when_what_it_read_has_changed(desk: Desk) -> None:
    first = desk.cut(a=1)
    other = desk.cut(b=7)
    changed = desk.cut(a=2)
    found = [desk.memo.of(CutReader(cut)) for cut in (first, first, other, changed, changed)]
    assert found == [1, 1, 1, 2, 2]
    assert desk.computed == [1, 2]


def test_who_is_on_the_cut_before_finds_what_was_computed_of_that(desk: Desk) -> None:
    before, after = desk.cut(a=1), desk.cut(a=2)
    assert [desk.memo.of(CutReader(cut)) for cut in (before, after, before)] == [1, 2, 1]
    assert desk.computed == [1, 2]


def test_every_reader_is_told_what_was_read_for_it(desk: Desk) -> None:
    cut = desk.cut(a=1)
    for _ in range(2):
        reader = CutReader(cut)
        desk.memo.of(reader)
        assert reader.reads == {"towns/a"}


def test_every_reader_is_told_which_of_the_given_documents_were_read(desk: Desk) -> None:
    cut = desk.cut(a=1, b=2)
    listened = CutReader(cut).documents(["towns/a", "towns/b"])
    for _ in range(2):
        reader = CutReader(cut, listened)
        assert desk.memo.of(reader) == 1
        assert (reader.given_reads, reader.reads) == ({"towns/a"}, set())
    assert desk.computed == [1]


def test_another_basis_is_another_value(desk: Desk) -> None:
    cut = desk.cut(a=1)
    for basis in (1, 2, 1):
        assert desk.memo.of(CutReader(cut), basis) == 1
    assert desk.computed == [1, 1]


def test_what_is_forgotten_is_computed_anew(desk: Desk) -> None:
    cut = desk.cut(a=1)
    desk.memo.of(CutReader(cut))
    desk.memo.forget(lambda number: number > 1)
    desk.memo.of(CutReader(cut))
    assert desk.computed == [1]
    desk.memo.forget(lambda number: number == 1)
    desk.memo.of(CutReader(cut))
    assert desk.computed == [1, 1]


def test_nothing_is_remembered_of_a_cut_that_lacks_something() -> None:
    desk = Desk()
    missing = CutMemo(lambda reader: reader.documents(["towns/c"])["towns/c"].exists)
    reader = CutReader(desk.cut(a=1))
    with pytest.raises(Incomplete):
        missing.of(reader)
    assert reader.reads == {"towns/c"}


def test_of_several_who_ask_at_once_one_computes(desk: Desk) -> None:
    cut = desk.cut(a=1)
    threads = [threading.Thread(target=lambda: desk.memo.of(CutReader(cut))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.computed == [1]
