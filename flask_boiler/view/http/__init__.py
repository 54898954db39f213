"""HTTP: what each kind of route does with a request, and how routes are mounted.

It imports ``view.mediation`` and what is below that. The mediator whose routes these are is known
here by what a route asks of it, and so are neither documents of routes nor other ways to a view.
"""
