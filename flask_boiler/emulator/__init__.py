"""A Firestore in a process of its own, Google's emulator above all: found, started and ended.

>>> from flask_boiler.emulator import start_google_emulator
>>> with start_google_emulator() as local:                      # doctest: +SKIP
...     print(local.host)
127.0.0.1:40213
"""

from flask_boiler.emulator.attached import AttachedFirestore
from flask_boiler.emulator.installation import Installation, find_installation
from flask_boiler.emulator.launcher import FirestoreProcess, Program, start_google_emulator

__all__ = [
    "AttachedFirestore",
    "FirestoreProcess",
    "Installation",
    "Program",
    "find_installation",
    "start_google_emulator",
]
