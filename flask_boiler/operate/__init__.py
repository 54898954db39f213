"""Operation: the Flask extension, the command line, health, and the tests of applications."""
