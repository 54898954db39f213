"""The reloader of Werkzeug's debug server: one process watches files, and its child serves.

The watching process loads the application, too, and starts what a ``with boiler:`` block around
``app.run(debug=True)`` starts. It cannot be told from any other until it starts its child.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping

__all__ = ["before_child"]

logger = logging.getLogger(__name__)

_CHILD_VARIABLE = "WERKZEUG_RUN_MAIN"

_steps: list[Callable[[], None]] = []
#: Whether the hook is set, which is for good.
_hooked: list[bool] = []


def before_child(step: Callable[[], None], *, first: bool = False) -> None:
    """Register a function that the watching process calls before its child starts.

    Steps are done in their order each time that a child is started; the same one is kept once.

    :param first: do it before those that are known.
    """
    if os.environ.get(_CHILD_VARIABLE) == "true":
        return  # this is the child
    if step not in _steps:
        _steps.insert(0 if first else len(_steps), step)
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event != "subprocess.Popen":
        return
    environment = arguments[3]
    if isinstance(environment, Mapping) and environment.get(_CHILD_VARIABLE) == "true":
        _give_up()


def _give_up() -> None:
    for step in tuple(_steps):
        try:
            step()
        except Exception:
            # The child is to start whatever this leaves behind, and tells what it lacks.
            logger.exception(
                "the process that watches files could not release something that its child needs"
            )
