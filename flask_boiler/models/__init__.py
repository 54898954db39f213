"""Domain models: how they are declared, stored, changed and asked for."""
