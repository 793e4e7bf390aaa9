"""Setting ``current`` in a running task."""

import os
import sys
from collections.abc import Callable
from typing import Any

from flow_sdk.authoring.current import current
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.authoring.project import project_of_run
from flow_sdk.authoring.step_extension import StepContext, StepExtension
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.live_task import LiveTask

__all__ = ["CurrentExtension", "describe_graph"]

SPOT_NOTICE = os.path.join(os.sep, "tmp", "spot_termination_notice")
"""The file in which code expects the time at which a spot instance will be taken away. Nothing writes it."""

_KINDS = {"split": "split-static", "foreach": "split-foreach", "switch": "split-switch"}
"""The kinds of the plan whose names users know as others."""


class CurrentExtension(StepExtension):
    """Sets ``current`` to the running task."""

    order = 300

    def before_step(self, context: StepContext) -> None:
        """Set ``current`` and what the client takes from the environment."""
        set_current(context.task, context.request, context.attempt)


def set_current(task: LiveTask, request: TaskRequest, number: int) -> None:
    """Set ``current`` to a task.

    Parameters
    ----------
    task : LiveTask
        The task.
    request : TaskRequest
        What it was started with.
    number : int
        Its attempt, from 0.
    """
    record = task.record
    project = project_of_run(record.system_tags)
    current._set_task(
        client=_client_objects(request.root),
        lazy={
            "graph": lambda: describe_graph(task.view.plan),
            "tempdir": _temporary_folder,
            **_inactive_values(task),
        },
        flow_name=record.flow,
        run_id=record.run,
        step_name=task.step.name,
        task_id=request.task,
        retry_count=number,
        origin_run_id=record.origin_run,
        pathspec=task.pathspec,
        namespace=record.namespace or None,
        username=record.user,
        parameter_names=list(record.parameters),
        tags=frozenset(record.tags),
        spot_termination_notice=SPOT_NOTICE,
        **(project.current_fields(record.flow) if project is not None else {}),
    )
    os.environ["FLOW_SDK_STORE"] = request.root
    if record.namespace is not None:
        os.environ["FLOW_SDK_NAMESPACE"] = record.namespace


def _temporary_folder() -> str:
    import tempfile

    return tempfile.gettempdir()


def _inactive_values(task: LiveTask) -> dict[str, Callable[[], Any]]:
    """Return what decorators without effect have in ``current``."""
    if uses_no_dynamic_features() and "flow_sdk.authoring.inactive_decorators" not in sys.modules:
        return {}  # no flow of this process can have one
    from flow_sdk.authoring.inactive_decorators import values_of_inactive_decorators

    return values_of_inactive_decorators(type(task.flow), task.step.name)


def _client_objects(root: str) -> Callable[[str, str], Any]:
    """Return what makes ``current.run`` and the like, from the client, which is imported when a step asks for one.

    They are the task's own, wherever it looks for the results of others: so neither the namespace nor the store that
    the step has chosen counts.
    """

    def made(kind: str, pathspec: str) -> Any:
        from flow_sdk import client

        return getattr(client, kind.capitalize())._make_unchecked(
            tuple(pathspec.split("/")), root, client.get_namespace()
        )

    return made


def describe_graph(plan: FlowPlan) -> dict[str, Any]:
    """Describe a flow as plain data, as ``current.graph`` gives it.

    Parameters
    ----------
    plan : FlowPlan
        The flow.

    Returns
    -------
    dict
        ``file``, ``doc``, ``start_step``, ``end_step``, ``parameters``, ``constants``, ``decorators``, and by their
        names the ``steps``, each again a dict.
    """
    joins = {step.joins: step.name for step in plan.steps if step.joins is not None}
    return {
        "file": plan.file,
        "doc": plan.doc,
        "start_step": plan.start.name,
        "end_step": plan.end.name,
        "parameters": [{"name": parameter.name, "type": parameter.type} for parameter in plan.parameters],
        "constants": [{"name": name} for name in plan.constants],
        "decorators": _describe_decorators(plan.decorators),
        "steps": {step.name: _describe_step(plan, step, joins.get(step.name)) for step in plan.steps},
    }


def _describe_step(plan: FlowPlan, step: StepPlan, join: str | None) -> dict[str, Any]:
    if step.is_join and step.kind == "linear":
        kind = "join"
    elif step is plan.start and step.kind == "linear":
        kind = "start"
    else:
        kind = _KINDS.get(step.kind, step.kind)
    description: dict[str, Any] = {
        "name": step.name,
        "type": kind,
        "line": step.line,
        "doc": step.doc,
        "next": list(step.next),
        "decorators": _describe_decorators((*step.wrappers, *step.decorators)),
    }
    if step.foreach is not None:
        description["foreach_artifact"] = step.foreach
    if step.condition is not None:
        description |= {"condition": step.condition, "switch_cases": dict(step.cases)}
    if join is not None:
        description["matching_join"] = join
    return description


def _describe_decorators(found: tuple[tuple[str, dict[str, Any]], ...]) -> list[dict[str, Any]]:
    return [{"name": name, "attributes": dict(attributes)} for name, attributes in found]
