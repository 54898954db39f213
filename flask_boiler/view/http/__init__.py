"""Views over HTTP: routes, requests, lists."""
