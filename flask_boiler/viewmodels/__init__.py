"""View models: stores, views, and the mutations and forms that change what they show.

They are models over what a store reads. When they are computed, and where the result goes, is not
known here.
"""
