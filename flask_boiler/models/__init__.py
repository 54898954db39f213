"""Models: how they are declared, what their instances hold, how they are stored and asked for.

They are made of attributes, and written in transactions. It imports ``attrs``, ``transactions`` and
what is below these, and knows nothing of views.
"""
