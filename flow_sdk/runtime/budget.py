"""Account of the events of a run's history, kept while it goes on, for a service that ends a run that has too many.

A task that starts items of a foreach, or another pass of a loop, first puts down what that adds, and then counts what
all have put down. Of several at once the last one sees them all, so the limit is never passed; at worst two that have
room for one only are both refused. What is put down is named by the task, so trying again adds nothing.
"""

from typing import Any

from flow_sdk.errors import ObjectExists, TransitionError
from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.positions import known_numbers
from flow_sdk.runtime.handoff import indices_of
from flow_sdk.runtime.parents import RunView
from flow_sdk.store.records.layout import events_prefix

__all__ = ["reserve"]

DISTRIBUTED = "Deploy with --use-distributed-map, where each item has a history of its own"
ON_A_LAPTOP = "`resume --origin-run-id` goes on from here on your machine"


def reserve(
    view: RunView, step: StepPlan, position: Position, next_step: str, items: int, budget: dict[str, Any]
) -> None:
    """Make sure that the history has room for what a task is about to start, and keep it for that.

    Parameters
    ----------
    view, step, position : RunView, StepPlan, tuple of int
        The task.
    next_step : str
        Where it leads.
    items : int
        How many items a foreach has.
    budget : dict
        ``limit``, ``once``, ``each`` and ``map``, as `flow_sdk.deploy.step_functions.limits.event_budget` makes it.

    Raises
    ------
    TransitionError
        If there isn't; says how many events there would be, how many may be, and what to do.
    """
    each = budget["each"].get(next_step, 0)
    # One item of each foreach and one pass of each loop are counted beforehand.
    adds = each * (items - 1 if step.kind == "foreach" else 1)
    if adds <= 0:
        return
    own = f"{step.name}={step.task_id(position)}"
    folder = events_prefix(view.flow, view.run, _history(step, position, budget.get("map")))
    key = f"{folder}{own}={adds}"
    try:
        view.store.put_if_absent(key, b"")
        new = True
    except ObjectExists:
        new = False  # of an attempt that was here before, or is here now
    others = sum(count for task, count in _put_down(view, folder).items() if task != own)
    total = budget["once"] + others + adds
    if total <= budget["limit"]:
        return
    if new:
        view.store.delete([key])
    room = max(0, budget["limit"] - budget["once"] - others)
    raise _too_long(step, position, next_step, items, room // each, total, budget)


def _history(step: StepPlan, position: Position, foreach: str | None) -> str:
    """Name of the history that a task is in: the run's, or that of the item of a foreach around it."""
    if foreach is None:
        return "run"
    around = [scope.step for scope in step.scopes if scope.kind == FOREACH]
    indices = indices_of(step, position).split(".")
    return f"{foreach}={'.'.join(indices[: around.index(foreach) + 1])}"


def _put_down(view: RunView, folder: str) -> dict[str, int]:
    """Events by task. Attempts that differ in what they start count as the one that starts most."""
    found: dict[str, int] = {}
    for info in view.store.list(folder):
        task, _, count = info.key.removeprefix(folder).rpartition("=")
        found[task] = max(found.get(task, 0), int(count))
    return found


def _too_long(
    step: StepPlan, position: Position, next_step: str, items: int, more: int, total: int, budget: dict[str, Any]
) -> TransitionError:
    whose = "run" if budget.get("map") is None else "item"
    if step.kind == "foreach":
        headline = f"The foreach would start {items:,} tasks; the {whose}'s history has room for {more + 1:,}."
        ways = (DISTRIBUTED, "or make fewer, larger items")
    else:
        passes = known_numbers(step, position)[LOOP, next_step] + 2  # counted from one, and the next one
        headline = f"The loop at {next_step!r} can't begin pass {passes:,}: the {whose}'s history would get too long."
        ways = ("Do more in each pass", ON_A_LAPTOP)
    return TransitionError(
        headline,
        seen=f"{total:,} events",
        wanted=f"at most {budget['limit']:,}: AWS ends an execution at 25,000, and tries again take some",
        where=f"step {step.name!r}",
        help="; ".join(ways) + ".",
    )
