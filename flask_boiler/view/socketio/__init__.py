"""Socket.IO: the clients of a namespace, their subscriptions, and the live views that they share.

It imports ``view.mediation`` and what is below that.
"""
