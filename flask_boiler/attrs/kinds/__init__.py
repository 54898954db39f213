"""Kinds: which Python values an attribute takes, and how each is stored.

A kind knows values and other kinds. Of a model it knows what ``Attributed`` says, and of attributes
nothing. It imports what ``attrs`` may import.
"""
