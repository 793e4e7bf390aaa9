"""What a task leaves beside its commit for an orchestrator that reads S3 itself: the items of a map, the case chosen.

A state machine can't run our code between two tasks, and can read one small JSON object. So the object says just what
the machine needs: for a foreach the list of its children, for a switch the data that the next state begins with. It is
derived from the committed manifest alone, and so is the same whoever writes it, and how often.
"""

import json
from typing import Any

from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import child_position, known_numbers
from flow_sdk.runtime.parents import RunView
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import handoff_key, run_input_key
from flow_sdk.store.records.model import Manifest

__all__ = [
    "accepted_input",
    "handoff",
    "hands_off",
    "indices_of",
    "refused_input",
    "write_handoff",
    "write_input_handoff",
]

LONGEST_REASON = 4_000
"""Characters of the reason for which an input was refused."""


def hands_off(step: StepPlan) -> bool:
    """Tell whether a step's tasks leave such an object."""
    return step.kind in ("foreach", "switch")


def indices_of(step: StepPlan, position: Position) -> str:
    """The foreach indices of a position, from the outermost, as ``3.1``; ``0`` outside any foreach."""
    return step.position_text(position).partition("-")[0]


def handoff(view: RunView, step: StepPlan, position: Position, manifest: Manifest, execution: str) -> Any:
    """Say where a foreach or switch leads.

    Parameters
    ----------
    view : RunView
        The run.
    step, position : StepPlan, tuple of int
        The task.
    manifest : Manifest
        Its commit.
    execution : str
        Name of the orchestrator's run, which a switch's state data begin with.

    Returns
    -------
    list of str or dict
        For a foreach, the foreach indices of each child. For a switch ``{"run", "split", "next", "loops"}``: the state
        data at the step it leads to, where ``loops`` has for each loop around that step ``{"pass": number}``.
    """
    child = view.plan[manifest.next[0]]
    if step.kind == FOREACH:
        count = manifest.items.count if manifest.items is not None else 0
        return [indices_of(child, child_position(step, position, child, i)) for i in range(count)]
    numbers = known_numbers(step, position)
    inside = {(scope.kind, scope.step) for scope in child.scopes}
    if child.joins is None:
        numbers = known_numbers(child, child_position(step, position, child))
    loops = {name: {"pass": n} for (kind, name), n in numbers.items() if kind == LOOP and (kind, name) in inside}
    return {"run": execution, "split": indices_of(step, position), "next": child.name, "loops": loops}


def write_handoff(view: RunView, step: StepPlan, task: str, execution: str) -> None:
    """Write a committed task's object, unless its step needs none."""
    if not hands_off(step):
        return
    position = step.position(task)
    manifest = view.read(step, position)
    if manifest is not None:
        text = json.dumps(handoff(view, step, position, manifest, execution), separators=(",", ":"))
        view.store.put(handoff_key(view.flow, view.run, step.name, task), text.encode("utf-8"))


def accepted_input(plan: FlowPlan, execution: str) -> dict[str, Any]:
    """Say that the start task took the run's input.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    execution : str
        Name of the orchestrator's run.

    Returns
    -------
    dict
        The state data that the machine goes on with: ``run`` and, in a flow with loops, ``loops`` with the first pass
        of those that the start step leads to.
    """
    entries = {loop.entry for loop in plan.loops}
    loops = {name: {"pass": 0} for name in plan.start.next if name in entries}
    return {"run": execution, **({"loops": loops} if plan.loops else {})}


def refused_input(execution: str, reason: str) -> dict[str, Any]:
    """Say why a run can't begin with its input."""
    return {"run": execution, "refused": reason[:LONGEST_REASON]}


def write_input_handoff(store: ObjectStore, flow: str, run: str, data: dict[str, Any]) -> None:
    """Write what the machine reads after the start task: :func:`accepted_input` or :func:`refused_input`."""
    store.put(run_input_key(flow, run), json.dumps(data, separators=(",", ":")).encode("utf-8"))
