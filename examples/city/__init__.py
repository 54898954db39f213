"""Cities: a domain model with subclasses, its view, and a form that makes cities."""
