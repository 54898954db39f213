"""OpenAPI 3.0.3 documents of what REST mediators serve, and Flasgger's page of them.

It imports mediators, and whatever is below them. ``assembly`` puts a document together.
"""
