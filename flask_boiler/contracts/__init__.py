"""Contracts: documents for machines, of what mediators serve.

It imports mediators, and whatever is below them. Flasgger's page is completed from here, by the
role ``api_page``.
"""
