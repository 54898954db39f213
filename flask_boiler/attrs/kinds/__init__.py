"""Kinds: which Python values an attribute takes, and how each is stored.

A kind knows values and other kinds. Of a model it knows what
:class:`~flask_boiler.attrs.attributed.Attributed` says, and nothing of attributes.
"""
