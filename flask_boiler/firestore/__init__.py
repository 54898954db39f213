"""Firestore's formats and calls: the codec, queries, the order of values, and the datastore."""
