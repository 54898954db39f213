"""The schema of a model: what its input and its JSON look like."""
