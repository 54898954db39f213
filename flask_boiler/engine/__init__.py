"""The engine: it computes views again when something that they have read has changed.

``engine`` knows which views are dirty, ``scheduler`` has them computed, ``sink`` is the port that
takes the results. It imports ``firestore`` and ``ground``, and knows neither models nor view
models: a view is a function here that reads from a cut.
"""
