"""Resuming: a new run reuses what an earlier one, its origin, has finished, and runs the rest with today's code.

``origin`` finds the run to resume, ``reuse`` decides which of its tasks are reused and commits them in the new run,
``forecast`` shows what would happen.
"""
