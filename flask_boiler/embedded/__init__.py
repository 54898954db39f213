"""A Firestore in this process: Google's protocol above, one SQLite file (or none) below.

Its rooms, from below to above; each imports only from those above it in this list::

    refusal, clock, encoding    statuses, times, bytes that sort as Firestore sorts
    document, feed              a version of a document; who is told of commits
    database                    SQLite: tables, connections, what can go wrong with a file
    storage                     documents now and at every past time; commits, in order
    matching                    what one query asks of one document
"""
