"""The embedded Firestore: Google's protocol above, one SQLite file (or none) below.

Five layers, from below to above; each imports its own files and those of the layers below it, and
says in its first lines which these are:

    storage      documents now and at every past time; commits, in order
    queries      which queries are taken, and how they are answered
    writes       what a write makes of a document; transactions; export and import
    listening    what listeners are told of commits; what is to go wrong, in tests
    serving      calls and streams, by gRPC and for browsers; ``EmbeddedFirestore`` itself

Of the rest of the package it imports four modules, which need nothing else of it:
``errors``, ``ground.lifecycle``, ``ground.addresses`` and ``firestore.protocol``. So it can
become a distribution of its own.
"""
