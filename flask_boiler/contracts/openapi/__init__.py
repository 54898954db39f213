"""OpenAPI 3.0.3 documents of what REST mediators serve."""
