"""Google's Firestore emulator, found, started and ended by itself.

>>> from flask_boiler.emulator import start_google_emulator
>>> with start_google_emulator() as local:                      # doctest: +SKIP
...     print(local.host)
127.0.0.1:40213
"""

from flask_boiler.emulator.installation import Installation, find_installation
from flask_boiler.emulator.launcher import LocalFirestore, start_google_emulator

__all__ = ["Installation", "LocalFirestore", "find_installation", "start_google_emulator"]
