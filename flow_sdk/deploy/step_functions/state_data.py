"""What a task leaves beside its commit for the state machine: the items of a map, the data behind a switch.

A state machine can't run our code between two tasks, and can read one small JSON object. The object holds what the
machine needs: for a foreach the list of its children, for a switch the data that the next state begins with. It is
derived from the committed manifest alone, and so is the same whichever attempt writes it, and how often.
"""

import json
from typing import Any

from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import child_position, known_numbers
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import orchestrator_output_key, run_input_key
from flow_sdk.store.records.model import Manifest

__all__ = [
    "accepted_input",
    "derive_state_data",
    "foreach_indices",
    "refused_input",
    "write_input_state",
    "write_state_data",
]

LONGEST_REASON = 4_000
"""Characters of the reason for which an input was refused."""


def foreach_indices(step: StepPlan, position: Position) -> str:
    """Return the foreach indices of a position, from the outermost, as ``3.1``; ``0`` outside any foreach."""
    return step.position_text(position).partition("-")[0]


def derive_state_data(view: RunView, step: StepPlan, position: Position, manifest: Manifest, execution: str) -> Any:
    """Return the object of a foreach or switch.

    Parameters
    ----------
    view : RunView
        The run.
    step, position : StepPlan, tuple of int
        The task.
    manifest : Manifest
        Its commit.
    execution : str
        Name of the execution, which a switch's state data begin with.

    Returns
    -------
    list of str or dict
        For a foreach, the foreach indices of each child. For a switch ``{"run", "split", "next", "loops"}``: the state
        data at the step it leads to, where ``loops`` has for each loop around that step ``{"pass": number}``.
    """
    child = view.plan[manifest.next[0]]
    if step.kind == FOREACH:
        count = manifest.items.count if manifest.items is not None else 0
        return [foreach_indices(child, child_position(step, position, child, i)) for i in range(count)]
    numbers = known_numbers(step, position)
    inside = {(scope.kind, scope.step) for scope in child.scopes}
    if child.joins is None:
        numbers = known_numbers(child, child_position(step, position, child))
    loops = {name: {"pass": n} for (kind, name), n in numbers.items() if kind == LOOP and (kind, name) in inside}
    return {"run": execution, "split": foreach_indices(step, position), "next": child.name, "loops": loops}


def write_state_data(view: RunView, step: StepPlan, task: str, execution: str) -> None:
    """Write the object of a committed task, if its step is a foreach or switch.

    Parameters
    ----------
    view : RunView
        The run.
    step : StepPlan
        The step.
    task : str
        The task's id.
    execution : str
        Name of the execution.
    """
    if step.kind not in (FOREACH, "switch"):
        return
    position = step.position(task)
    manifest = view.read(step, position)
    if manifest is not None:
        text = json.dumps(derive_state_data(view, step, position, manifest, execution), separators=(",", ":"))
        view.store.put(orchestrator_output_key(view.flow, view.run, step.name, task), text.encode("utf-8"))


def accepted_input(plan: FlowPlan, execution: str) -> dict[str, Any]:
    """Return the state data after a start task that has accepted the run's input.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    execution : str
        Name of the execution.

    Returns
    -------
    dict
        ``run`` and, in a flow with loops, ``loops`` with the first iteration of those that the start step leads to.
    """
    entries = {loop.entry for loop in plan.loops}
    loops = {name: {"pass": 0} for name in plan.start.next if name in entries}
    return {"run": execution, **({"loops": loops} if plan.loops else {})}


def refused_input(execution: str, reason: str) -> dict[str, Any]:
    """Return the state data after a start task that has refused the run's input."""
    return {"run": execution, "refused": reason[:LONGEST_REASON]}


def write_input_state(store: ObjectStore, flow: str, run: str, data: dict[str, Any]) -> None:
    """Write what the machine reads after the start task: :func:`accepted_input` or :func:`refused_input`."""
    store.put(run_input_key(flow, run), json.dumps(data, separators=(",", ":")).encode("utf-8"))
