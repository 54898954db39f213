"""View models: stores, views, and the mutations and forms that change what they show.

They are models over what a store reads. It imports ``models`` and what is below them. When a view
is computed, and where the result goes, is not known here.
"""
