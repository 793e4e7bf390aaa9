"""Records of runs and tasks: their keys, their JSON and the commit protocol.

``layout`` builds and parses keys, ``model`` has the records as data, ``checksummed_json`` writes and verifies them, and
``commits`` is the protocol by which one attempt of a task wins.
"""
