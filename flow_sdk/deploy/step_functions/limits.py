"""What Step Functions and Batch allow, and how much of it a flow uses; said before anything is written. Pure."""

import json
import math
from typing import Any

from flow_sdk.errors import DeployError
from flow_sdk.ids import FOREACH
from flow_sdk.plan.model import FlowPlan, StepPlan

__all__ = ["INLINE_WORKERS", "check_definition", "encode_definition", "most_items", "shares"]

DEFINITION_BYTES = 1_048_576
EVENTS = 25_000
OVERRIDES_BYTES = 8_192
INLINE_WORKERS = 40
"""AWS service quotas: size of a definition, events of one execution, size of a job's overrides, items
of an inline map at a time."""

SPARE = 0.9
"""Share of the events that items may use up; the rest is for tries again and for waiting."""

JOB_EVENTS, READ_EVENTS, CHOICE_EVENTS, AROUND_EVENTS, ITEM_EVENTS = 6, 5, 2, 4, 2
"""Events of a task that submits a job; of one that reads an object; of a choice; of a map or parallel itself; of each
item of an inline map (counted on executions; AWS documents the kinds)."""

LONGEST_RUN, LONGEST_INDICES, LONGEST_ARN = 80, 40, 260


def encode_definition(definition: dict[str, Any]) -> str:
    """The JSON that is sent to AWS."""
    return json.dumps(definition, separators=(",", ":"))


def _events(step: StepPlan) -> int:
    """Events of one task of a step with all that belongs to it, but for a foreach's items."""
    further = {
        "split": AROUND_EVENTS,
        "foreach": AROUND_EVENTS + READ_EVENTS,
        "switch": READ_EVENTS + CHOICE_EVENTS,
    }
    return JOB_EVENTS + further.get(step.kind, 0)


def most_items(plan: FlowPlan) -> dict[str, int]:
    """How many items all tasks of each foreach step may have together in one execution, with inline maps.

    Returns
    -------
    dict of str to int
        For each foreach step. The events that one execution may have are shared out evenly among them.
    """
    foreachs = [step.name for step in plan.steps if step.kind == "foreach"]
    cost = dict.fromkeys(foreachs, ITEM_EVENTS)
    once = 0
    for step in plan.steps:
        around = [scope.step for scope in step.scopes if scope.kind == FOREACH]
        if around:
            cost[around[-1]] += _events(step)
        else:
            once += _events(step)
    room = max(0, math.floor(EVENTS * SPARE) - once)
    return {name: max(1, room // len(foreachs) // cost[name]) for name in foreachs}


def _longest(value: Any) -> Any:
    """Overrides as a run may fill them, at their longest."""
    if isinstance(value, dict):
        return {key.removesuffix(".$"): _longest(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_longest(item) for item in value]
    text = str(value)
    if text == "$$.Execution.Id":
        return "x" * LONGEST_ARN
    places = text.count("{}")
    return text + "x" * (places * LONGEST_INDICES + LONGEST_RUN if places else 0)


def _all_states(states: dict[str, Any]) -> dict[str, Any]:
    found = dict(states)
    for state in states.values():
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())):
            found.update(_all_states(inner["States"]))
    return found


def _overrides(definition: dict[str, Any]) -> tuple[int, str]:
    """Bytes of the largest overrides, and the state they belong to."""
    sizes = {
        name: len(json.dumps(_longest(state["Parameters"]["ContainerOverrides"])).encode())
        for name, state in _all_states(definition["States"]).items()
        if "ContainerOverrides" in state.get("Parameters", {})
    }
    name = max(sizes, key=lambda found: sizes[found])
    return sizes[name], name


def shares(plan: FlowPlan, definition: dict[str, Any]) -> list[tuple[str, int, int]]:
    """How much of each service limit a state machine uses.

    Returns
    -------
    list of (str, int, int)
        What is limited, what is used, and what is allowed. The events are those without any item of a foreach.
    """
    once = sum(_events(step) for step in plan.steps if all(scope.kind != FOREACH for scope in step.scopes))
    return [
        ("bytes of the definition", len(encode_definition(definition).encode()), DEFINITION_BYTES),
        ("bytes of a job's overrides", _overrides(definition)[0], OVERRIDES_BYTES),
        ("events of an execution, without foreach items", once, EVENTS),
    ]


def check_definition(plan: FlowPlan, definition: dict[str, Any]) -> None:
    """Refuse a state machine that Step Functions wouldn't take, or couldn't run to its end.

    Raises
    ------
    DeployError
        Names the limit, and what would be needed.
    """
    help_ = {
        "bytes of the definition": "Split the flow into two; a step takes about 1 KB.",
        "bytes of a job's overrides": f"Shorten the names of step {_overrides(definition)[1]!r} and of the flow.",
    }
    for what, used, allowed in shares(plan, definition):
        if used > allowed:
            raise DeployError(
                f"The flow is too large for AWS Step Functions: {what}.",
                seen=f"{used:,}",
                wanted=f"at most {allowed:,}",
                help=help_.get(what, "Split the flow into two."),
            )
