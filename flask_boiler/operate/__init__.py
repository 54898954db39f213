"""Operation: the Flask extension, the command line, health, and the tests of applications.

It may import everything. Mediators are asked for what they say of themselves, and never for their
class.
"""
