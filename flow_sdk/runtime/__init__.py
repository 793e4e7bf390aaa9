"""Running tasks and local runs.

``task`` is the entry point every orchestrator starts; ``supervise`` starts it for an orchestrator's worker; ``local``
drives a run on this machine with the pure ``scheduler`` and the warm ``template`` process. May import client and below.
"""
