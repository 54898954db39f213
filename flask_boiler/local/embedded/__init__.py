"""A Firestore in this process: Google's protocol above, one SQLite file (or none) below.

Its rooms, from below to above; each imports only from those above it in this list::

    refusal, clock, encoding         statuses, times, bytes that sort as Firestore sorts
    disk                             whether there is room
    file_lock                        one process for a file, whatever it is called
    names, values                    which names and values Firestore takes
    document, feed                   a version of a document; who is told of commits
    database                         SQLite: tables, connections, what can go wrong with a file
    storage                          documents now and at every past time; commits, in order
    conditions, matching             what one query asks of one document
    validation, plan, execution      which queries are taken; how they are answered
    aggregation, listing, partition  what is made of results
    nearest                          whose vectors are nearest
    transforms, writes               what a write makes of a document
    transactions                     what was read must still be so
    transfer                         exporting, importing, clearing
    answers, paging, service         each call of the protocol
    announcements, bloom, tokens     what is said to listeners, and where they resume
    interests, switchboard, targets  whom a change concerns, and what it means to them
    faults                           what is to go wrong, in tests
    conversation, write_stream       one stream
    duplex, listening                calls without threads of their own; all streams of a server
    admission                        whose pages may ask
    proto_json                       messages as JSON
    session_stream, webchannel       streams of browsers
    http_connection, rest, web       what is asked by HTTP
    gateway                          one port for gRPC and browsers
    server                           gRPC, and all of it
"""
