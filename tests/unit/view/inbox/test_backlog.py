"""What is known of the order of tasks: whoever is held has all before it held."""

from __future__ import annotations

from flask_boiler.view.inbox.backlog import Backlogs, Waiting


def waiting(path: str, at: int, key: str = "k") -> Waiting:
    return Waiting(path, at, key)


FIRST, SECOND, THIRD = waiting("c/x", 1), waiting("c/a", 2), waiting("c/b", 2)


def worked_off(backlogs: Backlogs, last: Waiting) -> list[Waiting]:
    found = []
    while (first := backlogs.first_before(last)) is not None:
        found.append(first)
        backlogs.discard(first)
    return found


def test_tasks_come_by_their_time_and_then_by_their_path() -> None:
    backlogs = Backlogs()
    backlogs.replace("k", [THIRD, SECOND, FIRST])
    assert backlogs.first_before(FIRST) is None
    assert worked_off(backlogs, THIRD) == [FIRST, SECOND]
    assert backlogs.hold(THIRD)
    assert not backlogs.hold(FIRST)


def test_one_that_was_created_anew_is_another() -> None:
    backlogs = Backlogs()
    backlogs.replace("k", [FIRST, SECOND])
    again = waiting("c/x", 9)
    assert not backlogs.hold(again)
    backlogs.discard(again)
    assert backlogs.hold(FIRST)


def test_what_is_read_anew_replaces_what_was_known() -> None:
    backlogs = Backlogs()
    backlogs.replace("k", [FIRST])
    backlogs.replace("k", [THIRD])
    backlogs.replace("other", [waiting("c/o", 1, "other")])
    assert worked_off(backlogs, waiting("c/z", 9)) == [THIRD]
    assert backlogs.first_before(waiting("c/z", 9)) is None


def test_those_that_were_read_long_ago_are_forgotten_before_there_are_too_many() -> None:
    backlogs = Backlogs(most=3)
    backlogs.replace("k", [FIRST, SECOND])
    others = [waiting(f"c/{number}", number, "other") for number in range(2)]
    backlogs.replace("other", others)
    assert not backlogs.hold(FIRST)
    assert all(map(backlogs.hold, others))
    # The last one is kept whole, whatever its size: it is being worked off.
    many = [waiting(f"c/{number}", number, "many") for number in range(5)]
    backlogs.replace("many", many)
    assert all(map(backlogs.hold, many))
    assert not any(map(backlogs.hold, others))
