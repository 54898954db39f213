"""The Listen client: everything that changes in Firestore, as consistent cuts of one stream.

``stream`` does the input and output, ``watch`` knows what messages mean, ``cut`` has the state, and
``hub`` shares it among those who listen.

It imports the rest of ``firestore``, and ``ground``.
"""
