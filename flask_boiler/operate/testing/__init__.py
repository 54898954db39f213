"""The tools for tests of applications; :mod:`.plugin` has the pytest fixtures."""
