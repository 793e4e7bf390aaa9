"""What Step Functions and Batch allow, and how much of it a flow uses; said before anything is written. Pure.

A history is that of one execution: the run's, and with distributed maps that of each item. How many events it will have
isn't known before a foreach has its items and a loop its passes. So the compiler counts each foreach with one item and
each loop with one iteration, and passes to the tasks that start more what each further one costs (`event_budget`).
They count it during the run (`history_budget`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flow_sdk.errors import DeployError
from flow_sdk.plan.model import FlowPlan, StepPlan

__all__ = [
    "INLINE_WORKERS",
    "check_definition",
    "checks_input",
    "distributed_maps",
    "encode_definition",
    "event_budget",
    "limit_shares",
    "most_items",
    "transitions_of_item",
]

DEFINITION_BYTES = 1_048_576
EVENTS = 25_000
OVERRIDES_BYTES = 8_192
DATA_BYTES = 262_144
INLINE_WORKERS = 40
"""AWS service quotas: size of a definition, events of one execution, size of a job's overrides, of a state's input or
result, items of an inline map at a time."""

MOST_EVENTS = EVENTS * 9 // 10
"""Events that tasks may use up; the rest is for retries and for continuing after a failure."""

EXECUTION_EVENTS, JOB_EVENTS, READ_EVENTS, CHOICE_EVENTS, PASS_EVENTS, AROUND_EVENTS, ITEM_EVENTS = 2, 6, 5, 2, 2, 4, 2
"""Events of an execution itself; of a task that submits a job; of one that reads an object; of a choice; of a pass; of
a parallel or map itself; of each item of an inline map. AWS documents the kinds; a test counts them on executions."""

RUN_EVENTS = 6
"""Events of a distributed map, those of its map run included."""

INPUT_EVENTS = READ_EVENTS + CHOICE_EVENTS
"""Events of the states after the start step that read whether its task accepted the run's input."""

LONGEST_RUN, LONGEST_ARN = 80, 260
LONGEST_NUMBER = 10
"""Digits of the index of an item, or number of a pass, that are reckoned with where nothing bounds it better."""

ANSWER_BYTES = 2_048
"""What S3 says of an object beside its content, at its longest."""

MOST_DISTRIBUTED = 87_000
"""Items of a distributed map: it holds at once what all of them give back, ``{}`` and a comma each, in `DATA_BYTES`."""

BYTES, OVERRIDES, DATA = "bytes of the definition", "bytes of a job's overrides", "bytes of a state's data"


def encode_definition(definition: dict[str, Any]) -> str:
    """The JSON that is sent to AWS."""
    return json.dumps(definition, separators=(",", ":"))


def checks_input(plan: FlowPlan) -> bool:
    """Whether the machine looks, after the start step, at whether the run's input was refused.

    It does where an input can be wrong, or where a failed job of the start step would be tried again.
    """
    return bool(plan.parameters) or plan.start.max_extra_attempts > 0


def distributed_maps(
    plan: FlowPlan, max_workers: int, *, use_distributed_map: bool = False, item_counts: Mapping[str, int] | None = None
) -> frozenset[str]:
    """Choose the foreach steps whose map is distributed: those for which an inline map may run too few at a time.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    max_workers : int
        Most items of a foreach at a time (>= 1).
    use_distributed_map : bool
        Whether all are asked to be.
    item_counts : mapping of str to int, optional
        Most items that a foreach step can have, for those of which the source says it
        (:func:`flow_sdk.graph.item_counts.item_counts`).

    Returns
    -------
    frozenset of str
        Names of steps.
    """
    names = frozenset(step.name for step in plan.steps if step.kind == "foreach")
    if use_distributed_map:
        return names
    if max_workers <= INLINE_WORKERS:
        return frozenset()
    return frozenset(name for name in names if (item_counts or {}).get(name, INLINE_WORKERS + 1) > INLINE_WORKERS)


def _history_of(step: StepPlan, distributed: frozenset[str]) -> str | None:
    """The foreach whose items have the history that a step's tasks are in; None for the run's own history."""
    return next((name for name in reversed(step.foreach_steps) if name in distributed), None)


class _Events:
    """Counts the events of a flow's histories.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    distributed : frozenset of str
        The foreach steps whose items have a history each.
    """

    def __init__(self, plan: FlowPlan, distributed: frozenset[str]) -> None:
        self.plan, self.distributed = plan, distributed
        self.tree = plan.tree

    def of_task(self, step: StepPlan, *, repeats: bool = False) -> int:
        """Events of one task with all that belongs to it, one item of a foreach included.

        A switch that leads out of its region ends there by a pass, but once however often a loop in its region
        goes round; ``repeats`` says that the task is counted for a further pass of such a loop.
        """
        around = RUN_EVENTS if step.name in self.distributed else READ_EVENTS + AROUND_EVENTS + ITEM_EVENTS
        further = {"split": AROUND_EVENTS, "foreach": around, "switch": READ_EVENTS + CHOICE_EVENTS}.get(step.kind, 0)
        if step.kind != "switch" and step.back:
            further += PASS_EVENTS
        if step.kind == "switch" and not repeats and any(self.plan[to].joins is not None for to in step.next):
            further += PASS_EVENTS
        if step is self.plan.start and checks_input(self.plan):
            further += INPUT_EVENTS + (PASS_EVENTS if step.kind == "end" else 0)
        return JOB_EVENTS + further

    def _together(self, steps: Iterable[StepPlan], history: str | None, repeated: frozenset[str] = frozenset()) -> int:
        """Events of one task of each step, as far as they are in a history (its foreach; None for the run's)."""
        found = (step for step in steps if _history_of(step, self.distributed) == history)
        return sum(self.of_task(step, repeats=step.name in repeated) for step in found)

    def once(self, history: str | None) -> int:
        """Events of a history in which each foreach has one item and each loop one pass."""
        return EXECUTION_EVENTS + self._together(self.plan.steps, history)

    def of_item(self, foreach: str) -> int:
        """Events that a further item of a foreach adds to the history of an inline map."""
        (body,) = self.tree.nodes[foreach].bodies
        return ITEM_EVENTS + self._together(body.steps(), _history_of(self.plan[foreach], self.distributed))

    def of_pass(self, entry: str) -> int:
        """Events that a further pass of the loop entered at a step adds."""
        body = self.tree.loops[entry].body
        repeated = frozenset(node.step.name for node in self.tree.region(body))
        return self._together(body.steps(), _history_of(self.plan[entry], self.distributed), repeated)


def event_budget(plan: FlowPlan, step: StepPlan, distributed: frozenset[str]) -> dict[str, Any] | None:
    """Return the event budget of a task that starts items or iterations.

    Parameters
    ----------
    plan, step : FlowPlan, StepPlan
        The step.
    distributed : frozenset of str
        The foreach steps of which each item is an execution of its own.

    Returns
    -------
    dict or None
        ``limit``, the events that tasks may have together; ``once``, those of a history with one item of each foreach
        and one pass of each loop; ``each``, by the step that follows, what each further one adds; and ``map``, the
        foreach whose items have a history of their own, for a step inside one. None for a step that starts no more.
    """
    events, history = _Events(plan, distributed), _history_of(step, distributed)
    if step.kind == "foreach":
        each = {} if step.name in distributed else {step.next[0]: events.of_item(step.name)}
    else:
        each = {entry: events.of_pass(entry) for entry in step.back}
    if not each:
        return None
    budget: dict[str, Any] = {"limit": MOST_EVENTS, "once": events.once(history), "each": each}
    return budget if history is None else {**budget, "map": history}


def most_items(plan: FlowPlan, step: StepPlan, distributed: frozenset[str]) -> int:
    """How many items one task of a foreach step may have at most, however few the others have (>= 1).

    With inline maps the history bounds it, and the list that the machine reads; with distributed ones the list of what
    the items give back.
    """
    budget = event_budget(plan, step, distributed)
    if budget is None:
        return MOST_DISTRIBUTED
    by_events = 1 + int(max(0, budget["limit"] - budget["once"]) // budget["each"][step.next[0]])
    indices = 1 + len(step.foreach_steps)
    room = DATA_BYTES - ANSWER_BYTES - len(json.dumps(_longest_data(plan)))
    return max(1, min(by_events, room // _item_bytes(indices, by_events)))


def _item_bytes(indices: int, items: int) -> int:
    """Bytes of one item of the list, with its quotes escaped and a comma.

    All levels together have no more than ``items`` items: so at most one index has as many digits as that, or several
    have two, at a factor of eleven each.
    """
    digits = indices + len(str(items))
    return digits + indices - 1 + 5


def _longest_data(plan: FlowPlan) -> dict[str, Any]:
    """A state's data at their longest, but for a list of items."""
    depth = max(len(step.foreach_steps) for step in plan.steps)
    number = 10**LONGEST_NUMBER - 1
    data: dict[str, Any] = {"run": "x" * LONGEST_RUN, "split": ".".join([str(number)] * depth), "next": "x" * 128}
    return {**data, "loops": {loop.entry: {"pass": number} for loop in plan.loops}, "items": {"read": []}}


def _longest_value(value: Any, indices: int) -> Any:
    """Overrides as a run may fill them, at their longest."""
    if isinstance(value, dict):
        return {key.removesuffix(".$"): _longest_value(item, indices) for key, item in value.items()}
    if isinstance(value, list):
        return [_longest_value(item, indices) for item in value]
    text = str(value)
    if text == "$$.Execution.Id":
        return "x" * LONGEST_ARN
    gaps = text.count("{}")
    return text + "x" * (gaps * (LONGEST_NUMBER + 1) * max(1, indices) + LONGEST_RUN if gaps else 0)


def _all_states(states: dict[str, Any]) -> dict[str, Any]:
    found = dict(states)
    for state in states.values():
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())):
            found.update(_all_states(inner["States"]))
    return found


def _largest_overrides(plan: FlowPlan, definition: dict[str, Any]) -> tuple[int, str]:
    """Bytes of the largest overrides, and the step they belong to."""
    sizes = {}
    for state in _all_states(definition["States"]).values():
        parameters = state.get("Parameters", {})
        if "ContainerOverrides" in parameters:
            step = plan[parameters["Tags"]["flow_sdk.step"]]
            indices = len(step.foreach_steps)
            sizes[step.name] = len(json.dumps(_longest_value(parameters["ContainerOverrides"], indices)).encode())
    name = max(sizes, key=lambda found: sizes[found])
    return sizes[name], name


def _largest_data(plan: FlowPlan, distributed: frozenset[str]) -> int:
    """Bytes of the largest input or result of a state, but for what a distributed map's items give back."""
    data = len(json.dumps(_longest_data(plan)))
    lists = [0]
    for step in plan.steps:
        if step.kind == "foreach" and step.name not in distributed:
            most = most_items(plan, step, distributed)
            indices = 1 + len(step.foreach_steps)
            lists.append(most * _item_bytes(indices, most))
    return ANSWER_BYTES + max(2 * data, data + max(lists))


def limit_shares(
    plan: FlowPlan, definition: dict[str, Any], distributed: frozenset[str] = frozenset()
) -> list[tuple[str, int, int]]:
    """How much of each service limit a state machine uses.

    Returns
    -------
    list of (str, int, int)
        What is limited, what is used, and what is allowed.
    """
    events = _Events(plan, distributed)
    rows = [
        (BYTES, len(encode_definition(definition).encode()), DEFINITION_BYTES),
        (OVERRIDES, _largest_overrides(plan, definition)[0], OVERRIDES_BYTES),
        (DATA, _largest_data(plan, distributed), DATA_BYTES),
        ("events of a run, one item or pass of each", events.once(None), EVENTS),
    ]
    for step in plan.steps:
        if step.kind == "foreach":
            most = most_items(plan, step, distributed)
            used = events.once(step.name) if step.name in distributed else events.of_item(step.name)
            rows.append((f"events of an item of {step.name!r} (at most {most:,})", used, EVENTS))
    for loop in plan.loops:
        history = _history_of(plan[loop.entry], distributed)
        used = events.of_pass(loop.entry)
        most = 1 + max(0, MOST_EVENTS - events.once(history)) // used
        rows.append((f"events of a pass of loop {loop.entry!r} (at most {most:,})", used, EVENTS))
    return rows


def transitions_of_item(plan: FlowPlan, foreach: str, distributed: frozenset[str]) -> int:
    """Return the state transitions of one item, without retries and further iterations; inner ones have one item."""
    count = 0
    (body,) = plan.tree.nodes[foreach].bodies
    for step in body.steps():
        around = 1 if step.name in distributed else 2
        count += 1 + {"split": 1, "foreach": around, "switch": 2}.get(step.kind, 0)
        count += 1 if step.back and step.kind != "switch" else 0
    return count


def check_definition(plan: FlowPlan, definition: dict[str, Any], distributed: frozenset[str] = frozenset()) -> None:
    """Refuse a state machine that Step Functions wouldn't take, or couldn't run to its end.

    Raises
    ------
    DeployError
        Names the limit, and what would be needed.
    """
    help_ = {
        BYTES: "Split the flow into two; a step takes about 1 KB.",
        OVERRIDES: f"Shorten the names of step {_largest_overrides(plan, definition)[1]!r} and of the flow.",
        DATA: "Shorten the names of the steps that loops begin with, or nest fewer foreach steps.",
    }
    for what, used, allowed in limit_shares(plan, definition, distributed):
        if used > allowed:
            raise DeployError(
                f"The flow is too large for AWS Step Functions: {what}.",
                seen=f"{used:,}",
                wanted=f"at most {allowed:,}",
                help=help_.get(what, "Split the flow into two."),
            )
