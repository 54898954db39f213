"""A palette: colours and the rainbows that are made of them, over REST and WebSocket."""
