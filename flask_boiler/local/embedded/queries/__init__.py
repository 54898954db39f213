"""Queries: which are taken, and what they find in the storage at one time.

It imports ``storage``. Its files, from below to above:

    conditions           what a query's filters demand, as intervals of encoded values
    matching             a query: whether a document matches it, where it sorts, what is shown
    validation           which queries are taken
    planner              which entries of the index are read for a query
    aggregates           counting, adding up, averaging
    executor             reading them: results, in order, and the values of aggregations
    nearest              results whose vectors are nearest
    paging               page tokens
    document_listing     listing documents and collections, a page at a time
    partition            cutting a collection group into parts
"""
