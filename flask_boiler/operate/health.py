"""The health of an application's mediators, as far as their process knows without asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_boiler.engine.phases import Statistics
from flask_boiler.engine.view_key import Parked

__all__ = ["Health"]

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Health:
    """The health of the mediators of one process. Nothing is read for it, so it costs nothing.

    :param running: they are started, and not being stopped.
    :param firestore: where Firestore is, and which database; ``None`` before it is asked anything.
    :param silent_s: for how long Firestore has not answered those who asked; 0 while it does.
    :param stream_silent_s: how long ago the Listen stream said something; ``None`` if none is open.
    :param lag_s: the age of the oldest change that is not yet published, or 0.
    :param views: how many views are kept.
    :param counts: what was done so far.
    :param tasks_done: by mediator, the tasks that were done.
    :param parked: what is set aside, as far as it was heard.
    :param refused_s: for how long Firestore has taken no commit of anybody's; 0 while it does.
    :param refusal: why it does not.
    :param deaf_s: for how long Firestore has let nobody listen; 0 while it does.
    :param fault: what has ended a thread of the framework's, so that this process has to be started
        again; ``None``, as a rule.
    :param unheard: the mediators whose parked tasks were not heard of yet.
    """

    running: bool
    firestore: str | None
    answers: bool
    silent_s: float
    stream_silent_s: float | None
    lag_s: float
    views: int
    counts: Statistics
    tasks_done: dict[str, int]
    parked: Sequence[Parked]
    unheard: Sequence[str]
    fault: BaseException | None = None
    refused_s: float = 0.0
    refusal: Exception | None = None
    deaf_s: float = 0.0

    @property
    def hindrances(self) -> list[str]:
        """Why the mediators are not ready, in words; nothing if they are."""
        found = []
        if not self.running:
            found.append("the mediators are not running")
        if self.fault is not None:
            # What went wrong may quote what is stored.
            kind = type(self.fault).__name__
            found.append(f"a thread has ended by {kind}: start this process again")
        if not self.answers:
            where = f" at {self.firestore}" if self.firestore else ""
            found.append(
                f"Firestore{where} has not answered for {self.silent_s:.0f} s"
                if self.silent_s
                else f"Firestore{where} has not answered yet"
            )
        if self.refusal is not None:
            # The server's own words may quote what is stored.
            kind = type(self.refusal).__name__
            found.append(f"Firestore has refused all commits for {self.refused_s:.0f} s: {kind}")
        if self.deaf_s:
            found.append(f"Firestore has refused all listening for {self.deaf_s:.0f} s")
        return found

    def as_json(self) -> dict[str, Any]:
        """The health for machines; it has names and numbers, and nothing of what is stored."""
        return {
            "ready": not self.hindrances,
            "why_not": self.hindrances,
            "firestore": {
                "at": self.firestore,
                "answers": self.answers,
                "silent_s": round(self.silent_s, 1),
                "refused_s": round(self.refused_s, 1),
                "stream_silent_s": (
                    None if self.stream_silent_s is None else round(self.stream_silent_s, 1)
                ),
            },
            "lag_s": round(self.lag_s, 1),
            "views": self.views,
            "computed": self.counts.computed,
            "published": self.counts.published,
            "tasks_done": self.tasks_done,
            "parked": {
                "count": len(self.parked),
                "unknown_of": list(self.unheard),
                # What went wrong may quote what is stored, and so is said by kind alone.
                "first": [
                    {
                        "key": str(parked.key),
                        "since": parked.since.isoformat(),
                        "error": type(parked.error).__name__,
                    }
                    for parked in self.parked[:_MOST_NAMED]
                ],
            },
        }

    def __str__(self) -> str:
        line = (
            f"views {self.views}, computed {self.counts.computed}, "
            f"published {self.counts.published}, lag {self.lag_s:.1f} s"
        )
        for name, done in self.tasks_done.items():
            line += f", {name}: {done} task{'' if done == 1 else 's'} done"
        if self.silent_s:
            line += f", Firestore silent for {self.silent_s:.0f} s"
        if self.refusal is not None:
            line += f", all commits refused for {self.refused_s:.0f} s: {self.refusal}"
        if self.deaf_s:
            line += f", not let listen for {self.deaf_s:.0f} s"
        if self.unheard:
            line += f", parked tasks of {', '.join(self.unheard)} not heard of yet"
        if self.parked:
            line += f", parked {len(self.parked)}: " + "; ".join(
                f"{p.key} since {p.since:%H:%M:%S}: {p.error}" for p in self.parked[:3]
            )
        return line
