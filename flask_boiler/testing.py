"""What the tests of an application may use beside the fixtures of the pytest plugin."""

__all__: list[str] = []
