"""The Document mediator: the view of one document, or the patches proposed to views.

::

    patches ──► engine: is there one to apply? ──► lanes: one target's in order ──► application
                   ▲                                                                    │
                   └────── applied, marked with an error, or parked ◄── one commit ─────┘
"""

from flask_boiler.view.document.mediator import DocumentMediator
from flask_boiler.view.document.patches import Patch, Patches

__all__ = ["DocumentMediator", "Patch", "Patches"]
