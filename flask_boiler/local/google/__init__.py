"""A Firestore in a process of its own, Google's emulator above all: found, started and ended.

>>> from flask_boiler.local.google.launcher import start_google_emulator
>>> with start_google_emulator() as local:                      # doctest: +SKIP
...     print(local.host)
127.0.0.1:40213

``installation`` finds the emulator and a Java; ``supervisor`` is a program that runs a command for
as long as this process lives, and ``supervised`` starts it; ``launcher`` puts all of it together.

It imports ``context``, ``firestore`` and ``ground``.
"""
