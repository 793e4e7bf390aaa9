"""The process on the worker in which a step without ``@batch`` runs."""

from collections.abc import Callable

from flow_sdk.runtime.request import TaskRequest

__all__ = ["WorkerProcess"]


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

    def run(self, request: TaskRequest, on_line: Callable[[str, str], None], env: dict[str, str] | None = None) -> int:
        """Run the attempt to its end, and pass on each line of its log with the name of its stream.

        Parameters
        ----------
        request : TaskRequest
            The attempt.
        on_line : callable
            Is given a stream's name and a line.
        env : dict, optional
            The process's whole environment; the worker's when None.

        Returns
        -------
        int
            0 for committed, 1 for failed, 2 for failed in a way that another attempt can't fix.
        """
        from flow_sdk.runtime.supervise import supervise

        def keep_end(end: Callable[[], None]) -> None:
            self._end = end

        return supervise(request, on_line, env=env, timeout=self._timeout, on_start=keep_end).code

    def stop(self) -> None:
        """End the attempt; called while :meth:`run` waits, from a signal handler."""
        if self._end is not None:
            self._end()
