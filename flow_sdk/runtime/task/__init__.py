"""One attempt of one task, in the process that runs the user's code.

``runner`` is the entry point, which ``supervise`` and the local driver start. ``run_start`` begins a run, ``attempt``
goes from the reservation to the commit, ``step_extensions`` calls what the step's decorators do, ``parents`` finds the
tasks that lead to this one, ``live_task`` and ``inputs`` are what the flow object holds, and ``transition`` checks
``self.next``.
"""
