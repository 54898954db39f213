"""The slots of a store: its named parts.

A reference is computed from what the store already holds. A root, a parameter and the member of an
each are handed in by whoever makes the view; together they are the *subject* of the view. Slots may
import models, and nothing of stores and views but the stored view.
"""
