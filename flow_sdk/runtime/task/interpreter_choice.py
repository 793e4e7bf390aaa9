"""Running a task in the interpreter that a decorator of its step chooses, such as one with packages of its own."""

import os
import sys

from flow_sdk.errors import UsageError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.interpreter import interpreter_command
from flow_sdk.runtime.report import REPORT_FD, PipeReport, Report
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.step_extensions import find_extensions

__all__ = ["execute_in_chosen_interpreter"]

CHOSEN = "FLOW_SDK_TASK_INTERPRETER"
"""Environment variable with the interpreter that was chosen, for the process that it runs; that one chooses no more."""


def execute_in_chosen_interpreter(step: StepPlan, request: TaskRequest, report: Report) -> None:
    """Execute the task runner in the interpreter that the step's decorators choose, in place of this program.

    Parameters
    ----------
    step : StepPlan
        The step in the plan.
    request : TaskRequest
        The task.
    report : callable
        The function that this process reports with.

    Raises
    ------
    UsageError
        If two decorators choose an interpreter, or there is none at the path.
    Exception
        What a decorator raises.
    """
    if not step.decorators or os.environ.pop(CHOSEN, None) is not None:
        return
    choices = [python for one in find_extensions(step) if (python := one.choose_interpreter()) is not None]
    if not choices:
        return
    if len(choices) > 1:
        raise UsageError(f"Decorators of step {step.name!r} choose different interpreters.", seen=", ".join(choices))
    python = choices[0]
    if not os.access(python, os.X_OK):
        raise UsageError(f"The interpreter that was chosen for step {step.name!r} isn't there.", seen=python)
    environment = {**os.environ, CHOSEN: python}
    if isinstance(report, PipeReport):
        environment[REPORT_FD] = str(report.release_descriptor())
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(request.to_json())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(python, interpreter_command("flow_sdk.runtime.task.runner", python), environment)
