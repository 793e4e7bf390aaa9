"""Account of the events of an execution's history, kept while the run continues: AWS ends one that has too many.

A task that starts items of a foreach, or another iteration of a loop, first records what that adds, and then sums up
what all tasks have recorded. Of several at once the last one reads all records, so the limit is never exceeded; at
worst two tasks that have room for one only are both refused. A record is named by its task, so a retry adds nothing.
"""

from typing import Any

from flow_sdk.deploy.step_functions.state_data import foreach_indices
from flow_sdk.errors import ObjectExists, TransitionError
from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.positions import known_numbers
from flow_sdk.runtime.orchestrator import FinishedStep
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.records.layout import events_prefix

__all__ = ["reserve_events"]

DISTRIBUTED = "Deploy with --use-distributed-map, where each item has a history of its own"
ON_A_LAPTOP = "`resume --origin-run-id` continues from here on your machine"


def reserve_events(finished: FinishedStep, budget: dict[str, Any]) -> None:
    """Reserve, in the history, the events of what a task is about to start.

    Parameters
    ----------
    finished : FinishedStep
        The task.
    budget : dict
        ``limit``, ``once``, ``each`` and ``map``, as `flow_sdk.deploy.step_functions.limits.event_budget` makes it.

    Raises
    ------
    TransitionError
        If there is no room; says how many events there would be, how many may be, and what to do.
    """
    view, step, position = finished.view, finished.step, finished.position
    each = budget["each"].get(finished.target, 0)
    count = len(finished.items) if finished.items is not None else 0
    # One item of each foreach and one iteration of each loop are counted beforehand.
    adds = each * (count - 1 if step.kind == FOREACH else 1)
    if adds <= 0:
        return
    own = f"{step.name}={step.task_id(position)}"
    folder = events_prefix(view.flow, view.run, _history_name(step, position, budget.get("map")))
    key = f"{folder}{own}={adds}"
    try:
        view.store.put_if_absent(key, b"")
        is_new = True
    except ObjectExists:
        is_new = False  # of an attempt that was here before, or is here now
    others = sum(events for task, events in _read_reserved(view, folder).items() if task != own)
    total = budget["once"] + others + adds
    if total <= budget["limit"]:
        return
    if is_new:
        view.store.delete([key])
    room = max(0, budget["limit"] - budget["once"] - others)
    raise _history_error(finished, count, room // each, total, budget)


def _history_name(step: StepPlan, position: Position, foreach: str | None) -> str:
    """Return the name of the history that a task is in: the run's, or that of the item of a foreach around it."""
    if foreach is None:
        return "run"
    around = step.foreach_steps
    indices = foreach_indices(step, position).split(".")
    return f"{foreach}={'.'.join(indices[: around.index(foreach) + 1])}"


def _read_reserved(view: RunView, folder: str) -> dict[str, int]:
    """Return the reserved events by task. Attempts that differ in what they start count as the one that starts most."""
    found: dict[str, int] = {}
    for info in view.store.list(folder):
        task, _, count = info.key.removeprefix(folder).rpartition("=")
        found[task] = max(found.get(task, 0), int(count))
    return found


def _history_error(
    finished: FinishedStep, items: int, more: int, total: int, budget: dict[str, Any]
) -> TransitionError:
    step, whose = finished.step, "run" if budget.get("map") is None else "item"
    if step.kind == FOREACH:
        headline = f"The foreach would start {items:,} tasks; the {whose}'s history has room for {more + 1:,}."
        ways = (DISTRIBUTED, "or make fewer, larger items")
    else:
        entry = finished.target
        iteration = known_numbers(step, finished.position)[LOOP, entry] + 2  # counted from one, and the next one
        headline = f"The loop at {entry!r} can't begin pass {iteration:,}: the {whose}'s history would get too long."
        ways = ("Do more in each pass", ON_A_LAPTOP)
    return TransitionError(
        headline,
        seen=f"{total:,} events",
        wanted=f"at most {budget['limit']:,}: AWS ends an execution at 25,000, and tries again take some",
        where=f"step {step.name!r}",
        help="; ".join(ways) + ".",
    )
