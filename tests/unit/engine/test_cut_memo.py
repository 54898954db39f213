"""What is remembered of a cut, and when it is computed anew."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from flask_boiler.engine import cut_memo
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


def test_what_a_cut_lacks_is_found_out_once(desk: Desk) -> None:
    asked: list[int] = []

    def compute(reader: CutReader) -> bool:
        asked.append(reader.cut.read_time_ns)
        return reader.documents(["towns/c"])["towns/c"].exists

    memo = CutMemo(compute)
    for cut in (desk.cut(a=1), desk.cut(b=1)):
        for _ in range(2):
            reader = CutReader(cut)
            with pytest.raises(Incomplete, match="towns/c"):
                memo.of(reader)
            assert reader.reads == {"towns/c"}
    assert len(asked) == 1
    desk.feed.listen(["towns/c"])
    assert memo.of(CutReader(desk.cut(c=1)))


def test_no_cut_is_kept_that_nobody_else_has(desk: Desk) -> None:
    cut = weakref.ref(desk.cut(a=1))
    assert desk.memo.of(CutReader(desk.feed.cut)) == 1
    desk.cut(b=1)
    gc.collect()
    assert cut() is None
    assert desk.memo.of(CutReader(desk.feed.cut)) == 1
    assert desk.computed == [1]


def test_two_that_wait_for_each_other_go_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_memo, "_PATIENCE_S", 0.01)
    cut = desk.cut(a=1)
    both = threading.Barrier(2)
    memos: list[CutMemo[int]] = []
    found: list[int] = []

    def ask_the_other(number: int) -> int:
        if threading.current_thread() not in crossed:
            crossed.add(threading.current_thread())
            both.wait(60)
            return memos[1 - number].of(CutReader(cut)) + 1
        return 1

    crossed: set[threading.Thread] = set()
    memos += [CutMemo(lambda _: ask_the_other(0)), CutMemo(lambda _: ask_the_other(1))]
    threads = [
        threading.Thread(target=lambda memo=memo: found.append(memo.of(CutReader(cut))))
        for memo in memos
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 2


def test_one_that_asks_itself_is_not_waited_for(desk: Desk) -> None:
    cut = desk.cut(a=1)
    depth: list[int] = []

    def compute(reader: CutReader) -> int:
        depth.append(1)
        return len(depth) if len(depth) == 3 else memo.of(CutReader(cut))

    memo: CutMemo[int] = CutMemo(compute)
    assert memo.of(CutReader(cut)) == 3
