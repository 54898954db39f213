"""The schema of a model: what its input and its JSON look like.

It is made of what a model's class declares; models make it when it is first asked for.

It imports what ``models`` may import.
"""
