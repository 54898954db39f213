"""The ground: what all other floors use.

The errors, the ports by which floors use each other, the values that they exchange, the names of
fields and documents, readers, threads and their life cycle. It imports nothing else of the package.
"""
