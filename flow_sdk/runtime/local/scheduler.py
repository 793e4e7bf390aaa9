"""The scheduler of a local run as a pure state machine: events in, actions out. No clock, no store, no process."""

import heapq
from collections import deque
from dataclasses import dataclass, field

from flow_sdk.ids import FOREACH, Position
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import child_position, enclosing_position, known_numbers

__all__ = ["Scheduler", "TaskKey"]


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """A task of the run: its step's name and its position."""

    step: str
    position: Position


@dataclass(slots=True)
class _Join:
    """What a join still waits for."""

    wanted: int
    arrived: set[int] = field(default_factory=set)


class Scheduler:
    """Decides which task starts next.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    max_workers : int
        Most tasks at a time (>= 1).

    Attributes
    ----------
    failed : bool
        Whether a task has failed for good; then nothing is started any more.
    finished : bool
        Whether the last step is committed.
    """

    def __init__(self, plan: FlowPlan, max_workers: int) -> None:
        self.plan = plan
        self.max_workers = max_workers
        self.failed = False
        self.finished = False
        self.attempts: dict[TaskKey, int] = {}
        self.running: set[TaskKey] = set()
        self._ready: deque[TaskKey] = deque()
        self._delayed: list[tuple[float, TaskKey]] = []
        self._joins: dict[TaskKey, _Join] = {}

    def begin_run(self) -> None:
        """Make the first task ready."""
        start = self.plan.start
        self._ready.append(TaskKey(start.name, (0,) * len(start.kinds)))

    def offer_tasks(self) -> list[TaskKey]:
        """Take out all that is ready, for a caller that may have a task's result already."""
        offered = list(self._ready)
        self._ready.clear()
        return offered

    def admit_tasks(self, keys: list[TaskKey]) -> None:
        """Make tasks ready that were offered and are to run after all."""
        self._ready.extend(keys)

    def take_tasks(self) -> list[tuple[TaskKey, int]]:
        """Take the tasks to start now.

        Returns
        -------
        list of (TaskKey, int)
            Each with the number of tries left after this one.
        """
        taken = []
        while self._ready and not self.failed and len(self.running) < self.max_workers:
            key = self._ready.popleft()
            used = self.attempts.get(key, 0)
            self.attempts[key] = used + 1
            self.running.add(key)
            taken.append((key, self.plan[key.step].max_extra_attempts - used))
        return taken

    def task_committed(self, key: TaskKey, targets: tuple[str, ...], count: int | None) -> None:
        """A task was committed.

        Parameters
        ----------
        key : TaskKey
            The task.
        targets : tuple of str
            The targets its transition took.
        count : int, optional
            For a foreach, the number of items.
        """
        self.running.discard(key)
        self.attempts.pop(key, None)
        step = self.plan[key.step]
        if step.kind == "end":
            self.finished = True
        if step.kind == "foreach" and count is not None:
            self._open_join(step, key, count)
        elif step.kind == "split":
            self._open_join(step, key, len(targets))
        for name in targets:
            child = self.plan[name]
            if child.joins is not None:
                self._arrive_at_join(step, key, child)
            elif step.kind == "foreach":
                for index in range(count or 0):
                    self._ready.append(TaskKey(name, child_position(step, key.position, child, index)))
            else:
                self._ready.append(TaskKey(name, child_position(step, key.position, child)))

    def attempt_failed(self, key: TaskKey, now: float, *, fatal: bool) -> float | None:
        """An attempt failed.

        Parameters
        ----------
        key : TaskKey
            The task.
        now : float
            The time, in seconds.
        fatal : bool
            Whether trying again can't help.

        Returns
        -------
        float or None
            Seconds until the next attempt (>= 0); None when there is none and the run has failed.
        """
        self.running.discard(key)
        step = self.plan[key.step]
        if fatal or self.attempts[key] > step.max_extra_attempts:
            self.failed = True
            return None
        delay = step.retry.delay
        if self.attempts[key] > step.retry.times:
            delay = 0.0  # only @catch is left: nothing runs that a pause would help
        if delay:
            heapq.heappush(self._delayed, (now + delay, key))
        else:
            self._ready.append(key)
        return delay

    def wake_delayed(self, now: float) -> None:
        """Make the delayed tasks ready whose time has come."""
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.append(heapq.heappop(self._delayed)[1])

    def next_wake(self) -> float | None:
        """The time at which the next delayed task is due; None when there is none."""
        return self._delayed[0][0] if self._delayed else None

    def is_idle(self) -> bool:
        """Return whether nothing runs and nothing will."""
        return not self.running and (self.failed or (not self._ready and not self._delayed))

    def _open_join(self, step: StepPlan, key: TaskKey, count: int) -> None:
        join = self.plan.join_of(step.name)
        at = TaskKey(join.name, enclosing_position(step, key.position, join))
        self._joins[at] = _Join(count)

    def _arrive_at_join(self, step: StepPlan, key: TaskKey, join: StepPlan) -> None:
        split = self.plan[join.joins or ""]
        at = TaskKey(join.name, enclosing_position(step, key.position, join))
        if split.kind == FOREACH:
            branch = known_numbers(step, key.position)[FOREACH, split.name]
        else:
            branch = split.next.index(step.branch_of(split.name) or "")
        waiting = self._joins[at]
        waiting.arrived.add(branch)
        if len(waiting.arrived) == waiting.wanted:
            del self._joins[at]
            self._ready.append(at)
