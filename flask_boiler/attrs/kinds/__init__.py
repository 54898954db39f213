"""Kinds: which values an attribute holds, and how each is stored."""
