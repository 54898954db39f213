"""Storage: documents now and at every past time, kept in SQLite; commits, one after the other.

It imports no other layer, and knows nothing of queries and calls. Its files, from below to above:

    refusal                  the status that a call ends with instead of a result
    clock, encoding          times that only grow; bytes that sort as Firestore sorts
    document, wire_format    one version of a document, as bytes; responses made of such bytes
    name_rules, value_rules  which names and values Firestore takes
    commit_feed              commits, and who is told of them
    file_lock                one process for a file, whatever it is called
    database                 SQLite: tables, connections, files that are damaged, full or in use
    keys                     the keys of the tables
    reading, staging         the tables at one time; what one commit is about to make of them
    storage                  all of it
"""
