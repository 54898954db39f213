"""Writes: what a write makes of a document, and the transactions it is part of."""
