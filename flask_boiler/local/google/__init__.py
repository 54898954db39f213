"""A Firestore in a process of its own, Google's emulator above all: found, started and ended.

>>> from flask_boiler.local.google.launcher import start_google_emulator
>>> with start_google_emulator() as local:                      # doctest: +SKIP
...     print(local.host)
127.0.0.1:40213
"""
