"""A palette: colours, and rainbows made of them, over REST and WebSocket."""
