"""Heartbeats of tasks that an orchestrator started. Without them a task that is killed from outside would never end.

The supervisor of a task writes an empty object beside the run every half minute, from the tenth second of the task on,
and deletes it when the task ends. An old heartbeat is that of a killed task.
"""

import time
from dataclasses import dataclass

from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.commits import read_tasks
from flow_sdk.store.records.model import RunRecord

__all__ = [
    "ABANDONED_AFTER",
    "FIRST_AFTER",
    "INTERVAL",
    "SILENCE",
    "HeartbeatWriter",
    "TaskHeartbeat",
    "find_lost_task",
    "list_heartbeats",
    "silent_since",
]

FIRST_AFTER = 10.0
"""Seconds until a task's first heartbeat: a shorter task costs no request."""

INTERVAL = 30.0
"""Seconds between two heartbeats."""

SILENCE = 300.0
"""Seconds without a heartbeat after which a task counts as killed: the clocks of store and reader may differ."""

ABANDONED_AFTER = 86_400.0
"""Seconds without a new object, between two tasks, after which a run counts as abandoned by its orchestrator."""

_MOST_CHECKED = 20


@dataclass(frozen=True, slots=True)
class TaskHeartbeat:
    """The last heartbeat of an attempt.

    Parameters
    ----------
    step, task : str
        Which task.
    attempt : int
        Number of the attempt (>= 0).
    time : float
        When it was written, by the store's clock, in seconds since the epoch.
    is_stopped : bool
        Whether the supervisor recorded that the task was stopped from outside.
    """

    step: str
    task: str
    attempt: int
    time: float
    is_stopped: bool

    @property
    def is_fresh(self) -> bool:
        """Whether the task is running, as far as is known."""
        return not self.is_stopped and time.time() - self.time <= SILENCE


class HeartbeatWriter:
    """Writes the heartbeat of one attempt, for its supervisor.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run, step, task : str
        Which task.
    attempt : int
        Number of the attempt (>= 0).
    """

    def __init__(self, store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int) -> None:
        self._store = store
        self._key = layout.task_heartbeat_key(flow, run, step, task, attempt)
        self._is_written = False

    def write_heartbeat(self) -> None:
        """Record that the attempt is running."""
        self._is_written = True
        self._store.put(self._key, b"", durable=False)

    def remove_heartbeat(self) -> None:
        """Delete the heartbeat, as the attempt's end is recorded."""
        if self._is_written:
            self._store.delete([self._key])

    def record_stop(self) -> None:
        """Record that the attempt was stopped from outside."""
        self._store.put(self._key, b"ended", durable=False)


def list_heartbeats(store: ObjectStore, flow: str, run: str) -> list[TaskHeartbeat]:
    """Return the heartbeats of a run's tasks that are running, or were when they were killed."""
    prefix = layout.task_heartbeats_prefix(flow, run)
    found = []
    for info in store.list(prefix):
        step, _, rest = info.key[len(prefix) :].partition("=")
        task, _, attempt = rest.partition("=")
        if attempt.isdecimal():  # else the object is foreign
            found.append(TaskHeartbeat(step, task, int(attempt), info.modified, info.size > 0))
    return found


def find_lost_task(store: ObjectStore, flow: str, run: str, heartbeats: list[TaskHeartbeat]) -> TaskHeartbeat | None:
    """Return a task that was killed and not retried since; None while another task is running.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run : str
        Which run.
    heartbeats : list of TaskHeartbeat
        What :func:`list_heartbeats` found.
    """
    if not heartbeats or any(beat.is_fresh for beat in heartbeats):
        return None
    checked = sorted(heartbeats, key=lambda beat: -beat.time)[:_MOST_CHECKED]
    commits = read_tasks(store, flow, run, [(beat.step, beat.task) for beat in checked])
    for beat, commit in zip(checked, commits, strict=True):
        again = layout.start_key(flow, run, beat.step, beat.task, beat.attempt + 1)
        if commit is None and store.head(again) is None:
            return beat
    return None


def silent_since(store: ObjectStore, record: RunRecord) -> float | None:
    """Return the time (seconds since the epoch) of a run's newest object; None if that is less than a day ago.

    Its objects are listed until one is newer: many only where a large run has been silent for so long.
    """
    if abs(time.time() - record.started) <= ABANDONED_AFTER / 2:
        return None  # whatever its clock, and that of the store, say
    flow, run = record.flow, record.run
    info = store.head(layout.run_key(flow, run))
    latest = time.time() if info is None else info.modified
    if time.time() - latest <= ABANDONED_AFTER:
        return None
    for prefix in (layout.task_heartbeats_prefix(flow, run), layout.steps_prefix(flow, run)):
        for info in store.list(prefix):
            if time.time() - info.modified <= ABANDONED_AFTER:
                return None
            latest = max(latest, info.modified)
    return latest
