"""Readable names of mapped tasks in Airflow's UI: the item's position, and a short text of the item."""

from typing import TYPE_CHECKING, Any

from flow_sdk.errors import FlowSDKError, PathspecError
from flow_sdk.ids import FOREACH, parse_position

if TYPE_CHECKING:
    from flow_provider.deployment import DagFileDeployment
    from flow_provider.task_context import TaskContext
    from flow_sdk.plan.model import StepPlan

__all__ = ["TEMPLATE", "label_task"]

KEY = "flow_sdk_item"
"""Key of a running task's name in Airflow's context. As a value of a template it is no template itself."""

TEMPLATE = f"{{{{ {KEY} | default('', true) }}}}"
"""``map_index_template`` of every mapped task; empty, and so without effect, until the task has found its name."""

LONGEST = 200
"""Characters of a name; Airflow's column has 250 (``task_instance.rendered_map_index``)."""


def label_task(context: Any, deployment: "DagFileDeployment", step: "StepPlan", here: "TaskContext") -> None:
    """Put a mapped task's name into its context: ``3: alice``, or ``3`` where the item has no text.

    Parameters
    ----------
    context : mapping
        Airflow's context of the running task.
    deployment : Deployment
        The flow.
    step : StepPlan
        The step, or a loop's entry.
    here : Instance
        The task.
    """
    context[KEY] = here.position
    try:
        text = _item_text(deployment, step, here)
    except (FlowSDKError, OSError, LookupError):
        return  # the task itself reports what is wrong with the store
    if text:
        context[KEY] = f"{here.position}: {text}"[:LONGEST]


def _item_text(deployment: "DagFileDeployment", step: "StepPlan", here: "TaskContext") -> str:
    """Return the text of the item that the foreach step has stored in its committed result."""
    from flow_sdk.plan.positions import known_numbers
    from flow_sdk.runtime.run_queries import open_run

    view = open_run(deployment.store, deployment.plan.flow, here.run)
    step = view.plan[step.name]  # of the version that the run began with
    position = _parse_item_position(step, here.position)
    levels = [(name, n) for (kind, name), n in known_numbers(step, position).items() if kind == FOREACH]
    if not levels:
        return ""
    name, number = levels[-1]
    texts = view.read_opener(step, position, name).environment.get("items") or []
    return str(texts[number]) if number < len(texts) else ""


def _parse_item_position(step: "StepPlan", text: str) -> tuple[int, ...]:
    """Read the position of a task; of a loop's first iteration where the text is the position of the whole loop."""
    try:
        return parse_position(step.kinds, text)
    except PathspecError:
        return (*parse_position(step.kinds[:-1], text), 0)
