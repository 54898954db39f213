"""View models over Firestore that are stored as documents and stay true.

Importing this package opens nothing, reads nothing and starts nothing.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
