"""Rides with few seats, which many riders want: forms as commands, and never too many bookings."""
