"""The tools for tests of applications: fixtures, and a database in memory.

``plugin`` has the fixtures of pytest. It may import everything.
"""
