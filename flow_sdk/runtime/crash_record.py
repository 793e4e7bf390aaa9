"""Recording attempts whose process ended without a report: killed, out of memory, crashed in native code."""

import signal
import time

from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.run_start import read_record
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import Manifest

__all__ = ["HARD_GRACE", "crash_line", "crash_reason", "record_crash", "record_failure"]

HARD_GRACE = 30.0
"""Seconds after its @timeout at which a step that doesn't react is killed."""


def crash_reason(status: int, killed_for: str | None = None) -> str:
    """Describe how a process ended.

    Parameters
    ----------
    status : int
        Its exit code, or minus the signal that ended it.
    killed_for : str, optional
        Why we killed it, if we did.
    """
    if killed_for:
        return killed_for
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the task's process was ended by {name}{hint}"
    return f"the task's process ended with exit code {status} and no result"


def crash_line(reason: str) -> str:
    """Return the line for the attempt's own log, which the process couldn't write any more."""
    return f"[{reason}]"


def record_crash(store: ObjectStore, request: TaskRequest, attempt: int, reason: str, *, stopped: bool = False) -> None:
    """Write the manifest that the process of an attempt couldn't write any more.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    request : TaskRequest
        What the process was started with.
    attempt : int
        The number it had claimed.
    reason : str
        As :func:`crash_reason` returns it.
    stopped : bool
        Whether it was ended because the run was: then the task hasn't failed.
    """
    manifest = Manifest(
        flow=request.flow,
        run=request.run,
        step=request.step,
        task=request.task,
        attempt=attempt,
        ok=False,
        successful=False,
        finished=time.time(),
        exception={"type": "TaskKilled", "message": reason, "stacktrace": f"TaskKilled: {reason}\n"},
        generation=request.generation,
        environment=request.environment,
    )
    commits.record_failed_attempt(store, manifest)
    if request.tries_left == 0 and not stopped:
        record_failure(store, request, attempt, reason)


def record_failure(store: ObjectStore, request: TaskRequest, attempt: int, reason: str) -> None:
    """Record that a task has failed for good, whether or not the runner came so far as to do it itself.

    Nothing is recorded of a run that hasn't begun.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    request : TaskRequest
        Which task.
    attempt : int
        Number of its last attempt (>= 0).
    reason : str
        Why, for messages.
    """
    from flow_sdk.metadata.runs import Runs

    record = read_record(store, request.flow, request.run)
    if record is not None:
        Runs(store).record_failure(record, request.step, request.task, attempt, reason)
