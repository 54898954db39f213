"""What the tests of an application may use; :mod:`.plugin` holds the pytest fixtures."""
