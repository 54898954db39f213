"""The populations of an engine: which of them a target belongs to, and who makes their views.

Whatever is called here is called with the engine's lock held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.errors import ConfigurationError
from flask_boiler.ground.values import Target

__all__ = ["Populations"]


class Populations:
    """The populations, each of a mediator, by whose name its views are remembered."""

    def __init__(self) -> None:
        self._by_target: dict[Target, list[Population]] = {}
        self._makers: dict[str, Callable[[ViewKey], LiveView]] = {}

    def __contains__(self, target: Target) -> bool:
        return target in self._by_target

    def reserve(self, mediator: str, make: Callable[[ViewKey], LiveView]) -> None:
        """Let a mediator's views be made by ``make``.

        :raises ConfigurationError: a mediator of this name has a population already.
        """
        if mediator in self._makers:
            raise ConfigurationError(
                f"two mediators are called {mediator!r}: give one of them a name= "
                "of its own, by which its views are remembered"
            )
        self._makers[mediator] = make

    def dismiss(self, mediator: str) -> None:
        """Undo :meth:`reserve`."""
        del self._makers[mediator]

    def add(self, population: Population) -> None:
        """Have a population consist of the members of its targets from now on."""
        for target in population.targets:
            self._by_target.setdefault(target, []).append(population)

    def remove(self, population: Population) -> None:
        """Undo :meth:`add`."""
        for target in population.targets:
            self._by_target[target].remove(population)
            if not self._by_target[target]:
                del self._by_target[target]

    def of(self, target: Target) -> Sequence[Population]:
        """The populations that a target belongs to."""
        return self._by_target.get(target, ())

    def make(self, key: ViewKey) -> LiveView:
        """A new view, as its mediator makes it."""
        return self._makers[key.mediator](key)

    def keys_of(self, root: str) -> Iterator[ViewKey]:
        """The views that a document is the root of, if there are any."""
        return (ViewKey(mediator, root) for mediator in self._makers)
