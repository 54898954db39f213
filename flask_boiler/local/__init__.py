"""A Firestore on this machine: which one an application works with, and running it.

``local_firestore`` decides: it is one that runs already (``attached``), one that another process
serves from the same data file (``joined``), Google's emulator (``google``), or the package's own
(``embedded``), in the process or as a program (``embedded_program``). It imports ``context``,
``firestore`` and ``ground``; ``embedded`` imports less, as it says itself.
"""
