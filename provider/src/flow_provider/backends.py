"""Where a step's process runs. Only the worker itself so far; another place is another class of the same form."""

from collections.abc import Callable
from typing import Protocol

from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.request import TaskRequest

__all__ = ["Backend", "WorkerProcess", "backend_of"]


class Backend(Protocol):
    """Runs one attempt of a task somewhere."""

    def run(self, request: TaskRequest, on_line: Callable[[str, str], None]) -> int:
        """Run the attempt to its end, handing on each line of its log with the name of its stream.

        Returns
        -------
        int
            0 for committed, 1 for failed, 2 for failed in a way that trying again can't mend.
        """
        ...

    def stop(self) -> None:
        """End the attempt; called while :meth:`run` waits, from a signal handler."""
        ...


class WorkerProcess:
    """A process of its own on the Airflow worker, with the worker's environment.

    Parameters
    ----------
    timeout : float or None
        The step's @timeout in seconds (> 0).
    """

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end: Callable[[], None] | None = None

    def run(self, request: TaskRequest, on_line: Callable[[str, str], None]) -> int:
        from flow_sdk.runtime.supervise import supervise

        def started(end: Callable[[], None]) -> None:
            self._end = end

        return supervise(request, on_line, timeout=self._timeout, on_start=started).code

    def stop(self) -> None:
        if self._end is not None:
            self._end()


def backend_of(step: StepPlan) -> Backend:
    """Choose where a step runs, by its decorators."""
    seconds = (step.decorator("timeout") or {}).get("seconds")
    return WorkerProcess(float(seconds) if seconds else None)
