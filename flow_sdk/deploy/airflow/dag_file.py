"""The text of a deployed DAG file: the same bytes for the same deployment. Pure."""

import textwrap
from typing import Any

from flow_sdk.plan.codec import to_data
from flow_sdk.plan.model import FlowPlan, StepPlan

__all__ = ["FIRST_LINE", "FORMAT", "dag_file", "in_words"]

FORMAT = 1
"""Form of the deployment's data; the provider reads this one and all older ones."""

FIRST_LINE = "# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file."
"""How a file of ours is recognised before it is replaced."""

WIDTH = 116
LONGEST_HEADER = 12
"""Lines of the header that the graph may take; each step's words stand beside its line of the plan as well."""


def dag_file(plan: FlowPlan, deployment: dict[str, Any]) -> str:
    """Write the DAG file of a deployment.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    deployment : dict
        All else that the provider's ``DagFileDeployment`` holds, as plain data; ``dag`` and ``namespace`` among it.

    Returns
    -------
    str
        Python that holds data and one call. Text of the user's stands in it as ASCII literals only.
    """
    lines = [
        FIRST_LINE,
        f"# Flow {plan.flow}, DAG {deployment['dag']}, namespace {ascii(deployment.get('namespace') or 'all')[1:-1]}.",
        "#",
        *(f"# {line}" for line in _header_lines(plan)),
        "from flow_provider import load_dags",
        "",
        "DEPLOYMENT = {",
        f'    "format": {FORMAT},',
    ]
    lines += [
        f'    "{name}": {_ascii_literal(value)},' for name, value in deployment.items() if value not in (None, [], ())
    ]
    lines += ['    "plan": {', *_plan_lines(plan), "    },", "}", "", "globals().update(load_dags(DEPLOYMENT))", ""]
    return "\n".join(lines)


def _header_lines(plan: FlowPlan) -> list[str]:
    words = "; ".join(in_words(step) for step in plan.steps) + "."
    lines = textwrap.wrap(words, WIDTH, break_long_words=True, break_on_hyphens=False)
    if len(lines) > LONGEST_HEADER:
        lines = [*lines[: LONGEST_HEADER - 1], "... and so on: each step is described beside its line below."]
    return lines


def _plan_lines(plan: FlowPlan) -> list[str]:
    data = to_data(plan)
    lines = []
    for name, value in data.items():
        if name == "steps":
            lines.append('        "steps": [')
            for step, fields in zip(plan.steps, value, strict=True):
                ordered = {"name": fields.pop("name"), **fields}
                lines += [f"            # {in_words(step)}", f"            {_ascii_literal(ordered)},"]
            lines.append("        ],")
        else:
            lines.append(f'        "{name}": {_ascii_literal(value)},')
    return lines


def _ascii_literal(value: Any) -> str:
    """Plain data as a Python literal in ASCII: what counts as printable differs between Python versions."""
    return ascii(value)


def in_words(step: StepPlan) -> str:
    """Say what a step is followed by, such as ``start, then fit for each of folds``."""
    name = f"{step.name} (joins {step.joins})" if step.joins else step.name
    forward = [_target_text(step, target) for target in step.next]
    if step.kind == "foreach":
        return f"{name}, then {forward[0]} for each of {step.foreach}"
    if step.kind == "split":
        return f"{name}, then {', '.join(forward[:-1])} and {forward[-1]} at once"
    if step.kind == "switch":
        arms = ", ".join(f"{_target_text(step, target)} if {value!a}" for value, target in step.cases)
        return f"{name}, then by {step.condition} {arms}"
    return f"{name}, then {forward[0]}" if forward else f"{name} is the last step"


def _target_text(step: StepPlan, target: str) -> str:
    return f"again {target}" if target in step.back else target
