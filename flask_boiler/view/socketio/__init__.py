"""The WebSocket mediator: every client its own live views, over Socket.IO."""
