"""Models: how they are declared, what their instances hold, how they are stored and asked for.

They are made of attributes (``attrs``) and written in transactions; of views they know nothing.
"""
