"""The roots of a mediator's views: the documents that it names or that its queries find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from flask_boiler.engine.live_view import AnyView
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import Snapshot, Target

__all__ = ["Population", "Populations"]


class Population:
    """Some documents, each the root of a view.

    :param mediator: the name of the mediator whose views they are, also after a restart.
    :param targets: queries, whose results are members, and documents, which are if they exist.
    """

    def __init__(self, mediator: str, targets: Sequence[Target]) -> None:
        self.mediator = mediator
        self.targets = list(targets)
        #: Roots that had views when their target was not held, until they are compared.
        self.remembered: set[str] = set()
        self._unheld = set(self.targets)

    def member(self, root: str, cut: Cut) -> Snapshot | None:
        """The document of a member as of a cut; ``None`` if it is none.

        :raises Incomplete: it is in nothing that the cut holds, and not all is held.
        """
        snapshot = self.found(root, cut)
        if snapshot is None:
            # Not to be found is not to be gone: the server may refuse the target for a while.
            unheld = [target for target in self.targets if not cut.holds(target)]
            if unheld:
                raise Incomplete(unheld)
        return snapshot

    def held(self, target: Target, cut: Cut) -> Collection[str] | None:
        """The members that a target has in a cut; ``None`` if it is not held."""
        if isinstance(target, str):
            return [target] if cut.holds(target) else None
        members = cut.query(target)
        return None if members is None else {member.path for member in members}

    def lose(self, target: Target, roots: Iterable[str]) -> None:
        """Note a target that is held no more; ``roots`` are to be compared when it is again."""
        self._unheld.add(target)
        self.remembered.update(roots)

    def lost_roots(self, target: Target | None, cut: Cut) -> list[str]:
        """Remembered roots that are no members any more; known once every target is held.

        :param target: one that is held now; ``None`` if there are none, as nothing can be found.
        """
        if target is not None:
            self._unheld.discard(target)
        if self._unheld or not self.remembered:
            return []
        remembered, self.remembered = self.remembered, set()
        return [root for root in remembered if self.found(root, cut) is None]

    def found(self, root: str, cut: Cut) -> Snapshot | None:
        """The document of a member, as far as the cut holds it."""
        found = (_found(target, root, cut) for target in self.targets)
        return next((snapshot for snapshot in found if snapshot is not None), None)


class Populations:
    """The populations of an engine: which of them a target belongs to, and who makes their views.

    Each is of a mediator, by whose name its views are remembered. Whatever is called here is
    called with the engine's lock held.
    """

    def __init__(self) -> None:
        self._by_target: dict[Target, list[Population]] = {}
        self._makers: dict[str, Callable[[ViewKey], AnyView]] = {}
        self._open: set[str] = set()

    def __contains__(self, target: Target) -> bool:
        return target in self._by_target

    def reserve(self, mediator: str, make: Callable[[ViewKey], AnyView]) -> None:
        """Let a mediator's views be made by ``make``.

        :raises ConfigurationError: a mediator of this name has a population already.
        """
        if mediator in self._makers:
            raise ConfigurationError(
                f"two mediators are called {mediator!r}: give one of them its own name=, under "
                "which its views are recorded"
            )
        self._makers[mediator] = make

    def dismiss(self, mediator: str) -> None:
        """Undo :meth:`reserve`."""
        del self._makers[mediator]

    def add(self, population: Population) -> None:
        """Let the members of a population's targets be its roots from now on."""
        self._open.add(population.mediator)
        for target in population.targets:
            self._by_target.setdefault(target, []).append(population)

    def remove(self, population: Population) -> None:
        """Undo :meth:`add`."""
        self._open.discard(population.mediator)
        for target in population.targets:
            self._by_target[target].remove(population)
            if not self._by_target[target]:
                del self._by_target[target]

    def is_open(self, mediator: str) -> bool:
        """Whether views of a mediator may be made."""
        return mediator in self._open

    def of(self, target: Target) -> Sequence[Population]:
        """The populations that a target belongs to."""
        return self._by_target.get(target, ())

    def make(self, key: ViewKey) -> AnyView:
        """A new view, as its mediator makes it."""
        return self._makers[key.mediator](key)

    def keys_of(self, root: str) -> Iterator[ViewKey]:
        """The views that a document is the root of, if there are any."""
        return (ViewKey(mediator, root) for mediator in self._makers)


def _found(target: Target, root: str, cut: Cut) -> Snapshot | None:
    if not isinstance(target, str):
        return cut.member(target, root)
    document = cut.document(root) if root == target else None
    return document if document is not None and document.exists else None
