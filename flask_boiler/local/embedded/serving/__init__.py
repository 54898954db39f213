"""Serving: gRPC, HTTP and WebChannel, on one port."""
