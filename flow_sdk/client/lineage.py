"""The tasks that follow a finished task: computed from positions, then filtered by what has started."""

from collections.abc import Iterator

from flow_sdk.client.reader import RunReader
from flow_sdk.ids import FOREACH
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import child_position
from flow_sdk.store.records.model import Manifest

__all__ = ["child_ids", "child_tasks"]

_ONE_BY_ONE = 8
"""Up to this many children are checked one by one; for more, the step's tasks are listed."""


def child_ids(plan: FlowPlan, manifest: Manifest) -> list[tuple[str, list[str]]]:
    """Return the ids of the tasks that follow a task.

    Parameters
    ----------
    plan : FlowPlan
        The run's plan.
    manifest : Manifest
        The task's manifest.

    Returns
    -------
    list of (str, list of str)
        For each step of its transition, the ids of the tasks there: one, or for a foreach one for each item.
    """
    step = plan[manifest.step]
    return [(target, _list_child_ids(step, plan[target], manifest)) for target in manifest.next]


def _list_child_ids(step: StepPlan, child: StepPlan, manifest: Manifest) -> list[str]:
    at = step.position(manifest.task)
    if step.kind == FOREACH:
        count = manifest.items.count if manifest.items else 0
        return [child.task_id(child_position(step, at, child, index)) for index in range(count)]
    return [child.task_id(child_position(step, at, child))]


def child_tasks(run: RunReader, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield (step, task) of the tasks that follow a task, as far as they have started."""
    for step, ids in child_ids(run.plan, manifest):
        if len(ids) <= _ONE_BY_ONE:
            started = {task for task in ids if run.has_task(step, task)}
        else:
            started = set(run.list_tasks(step))
        yield from ((step, task) for task in ids if task in started)
