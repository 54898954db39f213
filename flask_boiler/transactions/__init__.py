"""Transactions: reads of one time, and writes that are committed together or not at all.

>>> @run_transaction                                       # doctest: +SKIP
... def grow(city_id, by):
...     city = City.get_or_raise(city_id)
...     city.population += by
...     city.save()
>>> grow("SF", 1000)                                       # doctest: +SKIP

The *optimistic* form, which is the default, locks nothing. All its reads are of one time; the
commit goes through only if every document that was read, also by a query, is still as it was
read. Each document that was read and not written costs a write in the commit, one that changes
nothing. What this form cannot notice is a document that a query would newly find, and what the
server aggregated (``count()`` …). The *locking* form (``locking=True``) notices that too: the
server locks what is read, and others wait.

In a transaction a document has one object: whoever gets it, by its id, a query or a relation,
gets the same one, with what was changed in it and not saved yet. An object from outside does not
know what is written through another; saving it then is a ConflictError.
"""
