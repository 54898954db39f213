"""Writes: what a commit makes of documents, and whether it may.

It imports ``storage`` and ``queries``. Its files, from below to above:

    transforms           what a field becomes that the server computes
    writes               the writes of a commit: preconditions, masks, transforms
    open_transactions    what a transaction has read, and whether it is still so
    export_file          the plain file of an export: where a server has it, and how it is written
    transfer             exporting, importing and clearing a database
"""
