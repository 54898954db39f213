"""Keeping views in documents: what is computed for each document or subject of a mediator.

::

    population ──► keeping: a live view for each ──► materialize ──► publisher

It imports the floors below ``view``, and nothing else of ``view``.
"""
