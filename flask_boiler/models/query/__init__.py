"""Asking for documents: immutable queries, aggregations, pages.

>>> big = City.where(City.population > 1_000_000, country="USA")    # doctest: +SKIP
>>> for city in big.order_by("-population").limit(10):              # doctest: +SKIP
...     print(city.city_name)

A query knows models that have a collection; ``DomainModel`` makes queries, and is not known here.

It imports what ``models`` may import.
"""
