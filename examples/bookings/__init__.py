"""Rides with few seats, and many who want one: commands as documents, and no overbooking."""
