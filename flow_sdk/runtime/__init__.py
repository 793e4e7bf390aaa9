"""Running tasks and local runs.

``task`` is the entry point every orchestrator starts; ``supervise`` starts it for an orchestrator's worker. ``local``
runs a flow on this machine: ``driver`` turns what the pure ``scheduler`` decides into processes, forked from the
``fork_server``; ``resume`` takes over what an earlier run finished. May import client and below.
"""
