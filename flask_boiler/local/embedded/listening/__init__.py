"""Listening: what a Listen stream says of commits, and where it resumes.

It imports ``storage``, ``queries`` and ``writes``. Its files, from below to above:

    announcements        the messages of a Listen stream
    token_issuer         up to which time a client was told everything
    interests            whom a change concerns, found by the document's name and values
    switchboard          commits, handed on to the streams that they concern
    targets              what a change means to a target, and how the stream tells it
    faults               what is to go wrong, in tests
    listen_stream        one Listen stream: what it says, and when
"""
