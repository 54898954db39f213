"""Publishing: the sink that keeps views in documents, each at its places.

``publisher`` groups and commits, ``plan`` compares with what is stored, ``moves`` decides who gets
which place, and a ledger records whose each place is. It imports what ``engine`` may import.
"""
