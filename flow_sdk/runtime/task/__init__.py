"""One attempt of one task, in the process that runs the user's code.

``runner`` is the entry point, which ``supervise`` and the local driver start. ``flow_loading`` executes the flow file,
from ``code_folder`` where it comes in a package. ``run_start`` begins a run, ``attempt`` runs the step inside its
``step_extensions``; ``parents`` finds the tasks that lead to this one, ``live_task`` and ``inputs`` are what the flow
object holds, and ``transition`` checks ``self.next``. ``process_end`` ends the process as Python's processes end.
"""
