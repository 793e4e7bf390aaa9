"""A run on this machine.

``run`` begins it, ``driver`` turns what the pure ``scheduler`` decides into processes, ``reporter`` is what receives
its events.
"""
