"""A run on this machine.

``run`` begins it, ``driver`` turns what the pure ``scheduler`` decides into processes (``workers``), ``reporter`` is
what receives its events. The processes are forked by ``fork_server_main``, to which ``fork_server`` and ``channel``
speak; ``preload``, ``early_imports``, ``import_leftovers`` and ``randomness`` decide what can be imported before the
fork.
"""
