"""A distributed counter: many count at the same time, and one view has the total."""
