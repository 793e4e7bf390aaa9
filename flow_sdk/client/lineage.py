"""Which tasks a finished task handed on to: arithmetic on positions, then a look at what has started."""

from collections.abc import Iterator

from flow_sdk.client.reader import RunReader
from flow_sdk.ids import FOREACH, LOOP
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.store.records import Manifest

__all__ = ["child_ids", "child_tasks"]

_ONE_BY_ONE = 8
"""Up to this many children are looked for one by one; for more, the step's tasks are listed."""


def child_ids(plan: FlowPlan, manifest: Manifest) -> list[tuple[str, list[str]]]:
    """Work out the ids of the tasks that a task hands on to.

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
    return [(target, _ids(step, plan[target], manifest)) for target in manifest.next]


def _ids(step: StepPlan, child: StepPlan, manifest: Manifest) -> list[str]:
    known = dict(zip(_numbered(step), step.position(manifest.task), strict=True))
    # Going back to a loop's entry starts its next pass; coming in from outside, the first.
    passed = known.get((LOOP, child.name), -1) if child.name in step.back else -1
    known[LOOP, child.name] = passed + 1
    found = []
    for index in range(manifest.items.count) if step.kind == FOREACH and manifest.items else (0,):
        known[FOREACH, step.name] = index
        found.append(child.task_id(tuple(known[scope] for scope in _numbered(child))))
    return found


def _numbered(step: StepPlan) -> list[tuple[str, str]]:
    return [(scope.kind, scope.step) for scope in step.scopes if scope.kind in (FOREACH, LOOP)]


def child_tasks(run: RunReader, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield (step, task) of the tasks that a task handed on to, as far as they have started."""
    for step, ids in child_ids(run.plan, manifest):
        if len(ids) <= _ONE_BY_ONE:
            started = {task for task in ids if run.has_task(step, task)}
        else:
            started = set(run.tasks(step))
        yield from ((step, task) for task in ids if task in started)
