"""A meeting room: who attends is seen at once by everybody who takes part."""
