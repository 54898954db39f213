"""Listening: what the targets of a stream are told of what changed."""
