"""What a resume would do, worked out without a write."""

from collections import Counter
from dataclasses import dataclass

from flow_sdk.metadata.port import RUNNING
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from flow_sdk.runtime.resume.reuse import Reuse, count_items, following_steps, keeps_transition, ready_batches
from flow_sdk.store.records.layout import failure_key, failures_prefix, tasks_prefix

__all__ = ["Forecast", "forecast_resume"]

FAILED, STOPPED, IS_RUNNING, NOT_BEGUN = "failed", "was stopped", "is running", "hadn't begun"
"""The states of a task that isn't committed. One that has begun, and neither succeeded nor failed, was stopped with its
run, or is running in it."""


@dataclass(slots=True)
class Forecast:
    """What would become of a step.

    Parameters
    ----------
    step : str
        Its name.
    reused, again : int
        How many of its tasks are reused, and how many are known to run again (>= 0).
    more : bool
        Whether more may run, which isn't known yet.
    why : str
        Why they run again: how many failed, were stopped or hadn't begun, or else the reason of the first.
    """

    step: str
    reused: int = 0
    again: int = 0
    more: bool = False
    why: str = ""


def forecast_resume(reuse: Reuse) -> list[Forecast]:
    """Return what would be reused and what would run, if each task that runs again takes the transition it took.

    Parameters
    ----------
    reuse : Reuse
        The resume. Nothing is written.

    Returns
    -------
    list of Forecast
        One for each step, in the plan's order.
    """
    plan = reuse.plan
    found = {step.name: Forecast(step.name) for step in plan.steps}
    states = {step.name: Counter[str]() for step in plan.steps}
    unfinished = _UnfinishedTasks(reuse)
    scheduler = Scheduler(plan, 1)
    scheduler.begin_run()
    for batch in ready_batches(scheduler):
        for key, manifest, why in reuse.inspect_tasks(batch, read_all=True):
            step, line = plan[key.step], found[key.step]
            if why:
                line.again += 1
                if manifest is None and not reuse.runs_whole_step(key.step):
                    states[key.step][unfinished.state(key)] += 1
                else:
                    line.why = line.why or why
            else:
                line.reused += 1
            if manifest is not None and keeps_transition(manifest, step):
                scheduler.task_committed(key, manifest.next, count_items(manifest))
            elif step.kind in ("linear", "split", "end"):
                scheduler.task_committed(key, step.next, None)
            else:  # how many items, or which case, only the task itself decides
                for name in following_steps(plan, key.step):
                    found[name].more = True
                    found[name].why = found[name].why or f"it comes after {key.step!r}"
    for name, counts in states.items():
        found[name].why = describe_states(counts, found[name].why, reuse.origin.run)
    return list(found.values())


class _UnfinishedTasks:
    """The tasks of an origin that aren't committed; each listing is read once."""

    def __init__(self, reuse: Reuse) -> None:
        self.reuse = reuse
        self.run_key = (reuse.origin.flow, reuse.origin.run)
        self._failed: set[str] | None = None
        self._begun: dict[str, set[str]] = {}
        """By step, the tasks that have begun."""

    def state(self, key: TaskKey) -> str:
        """Return the state of a task in the origin."""
        store, task = self.reuse.store, self.reuse.origin_task(key)[1]
        if self._failed is None:
            self._failed = {info.key for info in store.list(failures_prefix(*self.run_key))}
        if failure_key(*self.run_key, key.step, task) in self._failed:
            return FAILED
        if key.step not in self._begun:
            self._begun[key.step] = set(store.folders(tasks_prefix(*self.run_key, key.step)))
        if task not in self._begun[key.step]:
            return NOT_BEGUN
        return IS_RUNNING if self.reuse.origin_state == RUNNING else STOPPED


def describe_states(counts: Counter[str], other: str, run: str) -> str:
    """Return why tasks of a step run again.

    Parameters
    ----------
    counts : Counter of str
        How many tasks have which state in the origin.
    other : str
        The reason of those that aren't among the counts; "" for none.
    run : str
        The origin's id.
    """
    if not counts:
        return other
    is_one = len(counts) == 1 and not other
    states = [state for state in (FAILED, STOPPED, IS_RUNNING, NOT_BEGUN) if counts[state]]
    parts = [state if is_one else f"{counts[state]} {_plural_state(state, counts[state])}" for state in states]
    text = f"{'it ' if is_one else ''}{', '.join(parts)} in run {run}"
    return f"{text}; {other}" if other else text


def _plural_state(state: str, count: int) -> str:
    return {STOPPED: "were stopped", IS_RUNNING: "are running"}.get(state, state) if count > 1 else state
