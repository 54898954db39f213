"""Who leaves comes first: the views of a group, and in which order they are computed."""

from __future__ import annotations

from collections.abc import Collection

from flask_boiler.engine.precedence import Precedence
from flask_boiler.engine.view_key import ViewKey


class Group:
    """Views by the names of their subjects, and which were computed, in order."""

    def __init__(self, *kept: str) -> None:
        self.computed: list[str] = []
        self.precedence = Precedence(self._keep)
        for name in kept:
            self.precedence.admit(_key(name))

    def tell(self, *entries: str) -> None:
        """Have who is no entry leave, and all others computed."""
        keys = [_key(name) for name in entries]
        self.precedence.keep(self.precedence.kept_but(keys), keys)

    def publish(self, name: str, *, gone: bool = False) -> None:
        self.precedence.published(_key(name), gone=gone)

    def _keep(self, keys: Collection[ViewKey]) -> None:
        self.computed += [key.subject for key in keys]


def _key(name: str) -> ViewKey:
    return ViewKey("rooms", name)


def test_others_wait_until_all_who_leave_have_left() -> None:
    group = Group("ann", "bob", "cy", "dan")
    group.tell("ann", "bob")
    assert sorted(group.computed) == ["cy", "dan"]
    group.publish("cy", gone=True)
    assert len(group.computed) == 2
    group.publish("dan", gone=True)
    assert group.computed[2:] == ["ann", "bob"]
    group.tell("ann", "bob")
    assert group.computed[4:] == ["ann", "bob"]


def test_what_a_leaver_publishes_of_an_earlier_time_does_not_count() -> None:
    group = Group("ann", "bob")
    group.tell("ann")
    group.publish("bob")
    assert group.computed == ["bob"]
    assert group.precedence.wait(_key("ann"))
    group.publish("bob", gone=True)
    assert group.computed == ["bob", "ann"]
    assert not group.precedence.wait(_key("ann"))


def test_who_comes_back_keeps_nobody_waiting() -> None:
    group = Group("ann", "bob")
    group.tell("ann")
    group.tell("ann", "bob")
    assert group.computed == ["bob", "ann", "bob"]


def test_nor_does_who_cannot_leave_but_is_asked_to_again() -> None:
    group = Group("ann", "bob")
    group.tell("ann")
    group.precedence.passed_over(_key("bob"))
    assert group.computed == ["bob", "ann"]
    group.tell("ann")
    assert group.computed == ["bob", "ann", "bob"]
