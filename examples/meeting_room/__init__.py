"""A meeting room: when a participant confirms, all others see it at once."""
