"""The WebSocket mediator: every client its own live views, over Socket.IO."""

from flask_boiler.view.websocket.mediator import WsMediator, mounted_mediators
from flask_boiler.view.websocket.options import WsLimits

__all__ = ["WsLimits", "WsMediator", "mounted_mediators"]
