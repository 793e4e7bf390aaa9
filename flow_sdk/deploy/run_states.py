"""How runs end that their orchestrator stops between two tasks: recorded in the store, where no task does it."""

from flow_sdk.deploy.deployed_runs import FAILURES, DeployedRun
from flow_sdk.deploy.request import TargetRequest
from flow_sdk.errors import FlowSDKError, StoreError

__all__ = ["RunStateSync", "has_begun"]

MOST_SYNCED = 20
"""How many runs of a list are recorded: the newest that have failed."""

ENDS = {"FAILED": "has failed", "TIMED_OUT": "took longer than its workflow timeout", "ABORTED": "was stopped"}


class RunStateSync:
    """Records in the store how runs have ended, as far as their orchestrator says.

    Each command that reads a run's state updates its record. It succeeds even if the store can't be reached.

    Parameters
    ----------
    request : TargetRequest
        The command that is running.
    """

    def __init__(self, request: TargetRequest) -> None:
        self._request, self._left = request, MOST_SYNCED

    def observe_run(self, run: DeployedRun) -> None:
        """Record the end of a run, if the orchestrator says that it has failed."""
        if run.status in FAILURES and self._left > 0:
            self._left -= 1
            self._record_end(run, f"{self._request.target.title} says that it {ENDS[run.status]}; no task of it has")

    def record_stop(self, run: DeployedRun) -> None:
        """Record that the command has stopped a run."""
        self._record_end(run, f"it was stopped with {self._request.command}")

    def announce_stop(self, run: DeployedRun) -> None:
        """Show, and record, that the command is about to stop a run."""
        self._request.message(f"Stopping the run {run.run}.")
        self.record_stop(run)

    def clear_end(self, run: DeployedRun) -> None:
        """Remove the record of the end of a run that continues."""
        from flow_sdk.runtime.run_abandonment import clear_end

        clear_end(self._request.store, self._request.flow, run.run)

    def _record_end(self, run: DeployedRun, reason: str) -> None:
        from flow_sdk.runtime.run_abandonment import record_abandonment

        when = None if run.stopped is None else run.stopped.timestamp()
        try:
            record_abandonment(
                self._request.store, self._request.flow, run.run, self._request.target.name, reason, when
            )
        except FlowSDKError as error:
            self._left = 0
            self._request.message(f"How its runs ended couldn't be noted in the store: {error.headline}")


def has_begun(store: str, flow: str, run: str) -> bool:
    """Return whether the store may have logs of a run: it knows the run, or can't be asked.

    Parameters
    ----------
    store : str
        URL of the store.
    flow, run : str
        Which run.
    """
    from flow_sdk.runtime.task.run_start import read_record
    from flow_sdk.store.open_store import open_store

    try:
        return read_record(open_store(store, create=False), flow, run) is not None
    except StoreError:
        return True
