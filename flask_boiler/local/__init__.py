"""A Firestore on this machine: the embedded one, or one that runs already."""
