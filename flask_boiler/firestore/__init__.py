"""Firestore's formats and calls, below everything that knows models or views.

The codec of documents, queries and the rules for them, Firestore's order of values, the datastore,
and, in ``listen``, the stream. It imports ``ground``, and Google's packages.
"""
