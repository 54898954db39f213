"""Transactions: reads of one time, and writes that are committed together or not at all.

>>> @run_transaction                                       # doctest: +SKIP
... def grow(city_id, by):
...     city = City.get_or_raise(city_id)
...     city.population += by
...     city.save()
>>> grow("SF", 1000)                                       # doctest: +SKIP

By default a transaction is *optimistic*: nothing is locked. All its reads are as of one time. The
commit succeeds only if every document that was read, also by a query, is unchanged. A document that
was read and is not written costs a write in the commit, which changes nothing. The commit does not
notice a new document that a query would find now, nor a change of what the server aggregated
(``count()`` …). With ``locking=True`` it notices these, too: the server locks what is read, and
others wait.

In a transaction there is one object for each document. Whether it is found by its id, by a query or
through a relation, it is the same object, with its changes that are not saved yet. An object from
outside of the transaction does not have changes that are made through another object. Saving it
then raises ConflictError.

It imports ``context``, ``firestore`` and ``ground``, and knows neither models nor views.
"""
