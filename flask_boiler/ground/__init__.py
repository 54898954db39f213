"""The ground: what all other floors use.

The ports by which floors use each other, the values that they exchange, the names of fields and
documents, readers, threads and their life cycle. Of the rest of the package it imports only the
errors.
"""
