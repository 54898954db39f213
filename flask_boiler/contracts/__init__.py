"""Contracts: what mediators serve, as documents for machines.

It imports mediators, and whatever is below them. Flasgger's page is completed from here, by the
role ``api_page``.
"""
