"""Firestore's own formats and calls: the codec, queries, orderings, and the datastore."""
