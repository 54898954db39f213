"""Serving: the calls of Firestore, by gRPC and HTTP, and the server as a whole.

It imports all other layers. Its files, from below to above:

    service              each call, apart from streams
    write_stream         one Write stream
    duplex               a gRPC call in both directions that takes a thread only while it speaks
    streams              all Listen and Write streams of a server
    proto_json           messages as JSON
    rest_api             calls by REST
    session_stream       a stream that is asked what it has to say
    webchannel           such streams over HTTP/1.1, for browsers
    http_connection      HTTP/1.1 on an event loop, and its bounds
    host_check           under which names browsers may ask, and whose pages
    web                  all that browsers ask for
    gateway              one port for gRPC and HTTP/1.1
    server               gRPC, and ``EmbeddedFirestore``
    in_process           all calls of a server in memory without a connection, for unit tests
"""
