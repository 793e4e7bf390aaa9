"""Running tasks, for every orchestrator and on this machine.

``request`` is the one message that starts a task; ``supervise`` runs it in a process of its own for an orchestrator's
worker, ``container`` in a container; ``orchestrator`` is the interface of what one orchestrator needs beyond that, and
``run_queries`` answers those that have no switches and loops. ``task`` runs in the task's own process, ``local`` runs a
flow on this machine, ``resume`` reuses what an earlier run has finished, ``batch`` runs tasks as jobs of AWS
Batch. May import client and below.
"""
