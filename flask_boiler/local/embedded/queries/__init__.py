"""Queries: which are taken, and how they are answered."""
