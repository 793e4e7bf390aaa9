"""Signs of life of tasks that an orchestrator started: without them, what was killed from outside would run for ever.

The supervisor of a task puts an empty object beside the run every half minute, from the tenth second of the task on,
and takes it away when the task ends. A sign that is left and grows old is one of a task that was killed.
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
"""Seconds until a task's first sign: a shorter task costs no request."""

INTERVAL = 30.0
"""Seconds between two signs."""

SILENCE = 300.0
"""Seconds without a sign after which a task counts as killed: the clocks of store and reader may differ by minutes."""

ABANDONED_AFTER = 86_400.0
"""Seconds without anything new, between two tasks, after which a run counts as given up by its orchestrator."""

_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class TaskHeartbeat:
    """A sign of life that was found.

    Parameters
    ----------
    step, task : str
        Whose.
    attempt : int
        Of which attempt.
    time : float
        When it was last given, by the store's clock, in seconds since the epoch.
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
        """Whether the task is still at work, as far as is known."""
        return not self.is_stopped and time.time() - self.time <= SILENCE


class HeartbeatWriter:
    """The sign of life of one attempt, as its supervisor gives it.

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
        self._given = False

    def write_heartbeat(self) -> None:
        """Say that the attempt is at work."""
        self._given = True
        self._store.put(self._key, b"", durable=False)

    def remove_heartbeat(self) -> None:
        """Say nothing more: the attempt's own end tells the rest."""
        if self._given:
            self._store.delete([self._key])

    def record_stop(self) -> None:
        """Say that the attempt was ended from outside."""
        self._store.put(self._key, b"ended", durable=False)


def list_heartbeats(store: ObjectStore, flow: str, run: str) -> list[TaskHeartbeat]:
    """Find the signs of a run's tasks that are at work, or were when they were killed."""
    prefix = layout.task_heartbeats_prefix(flow, run)
    found = []
    for info in store.list(prefix):
        step, _, rest = info.key[len(prefix) :].partition("=")
        task, _, attempt = rest.partition("=")
        if attempt.isdecimal():  # else it isn't ours
            found.append(TaskHeartbeat(step, task, int(attempt), info.modified, info.size > 0))
    return found


def find_lost_task(store: ObjectStore, flow: str, run: str, signs: list[TaskHeartbeat]) -> TaskHeartbeat | None:
    """Return a task that was killed and not tried again since; None while another task is at work.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run : str
        Which run.
    signs : list of Sign
        What :func:`list_heartbeats` found.
    """
    if not signs or any(sign.is_fresh for sign in signs):
        return None
    looked_at = sorted(signs, key=lambda sign: -sign.time)[:_LOOKED_AT]
    commits = read_tasks(store, flow, run, [(sign.step, sign.task) for sign in looked_at])
    for sign, commit in zip(looked_at, commits, strict=True):
        again = layout.start_key(flow, run, sign.step, sign.task, sign.attempt + 1)
        if commit is None and store.head(again) is None:
            return sign
    return None


def silent_since(store: ObjectStore, record: RunRecord) -> float | None:
    """Tell since when (seconds since the epoch) nothing has come from a run; None if that isn't longer than a day.

    Its objects are looked through until one is newer: many only where a large run has been silent for so long.
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
