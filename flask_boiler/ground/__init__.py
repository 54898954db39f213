"""The ground: what every other floor stands on. It imports nothing of the package."""
