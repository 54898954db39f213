"""Mediation: what every mediator is made of, whatever triggers it and wherever its views go.

The life of a mediator (``mediator``), keeping views or calling handlers for the documents of a
population (``populated_mediator``, ``keeping``, ``handlers``), the engine of a context (``live``),
commands from outside (``commands``, ``access``, ``inbox``), and how a view or a problem is told
(``representation``, ``problems``). It imports views and what is below them, and no mediator.
"""
