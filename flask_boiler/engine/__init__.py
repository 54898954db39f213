"""The engine: dependencies, scheduling, materializing, publishing."""
