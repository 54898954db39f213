"""Storage: documents now and at every past time, in one SQLite file or none."""
