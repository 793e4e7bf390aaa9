"""What a person should know of a deployment to Airflow that isn't an error: what won't work as it may be meant."""

import ast
from collections.abc import Iterable
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowForbidden, AirflowRefused
from flow_sdk.deploy.airflow.create import AirflowOptions
from flow_sdk.deploy.airflow.dag_location import DagLocation, dag_of
from flow_sdk.errors import DeployError, FlowSDKError
from flow_sdk.plan.codec import from_data
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.project import deployed_name
from flow_sdk.text import escape_invisible

__all__ = ["changed_steps", "deployment_advice", "paused_advice"]

MOST_NAMES = 5
"""How many names a line lists."""


def deployment_advice(
    plan: FlowPlan, options: AirflowOptions, location: DagLocation, beside: Iterable[str], api: AirflowApi | None
) -> list[str]:
    """Look at a deployment before it is written.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    options : AirflowOptions
        What the user says.
    location : DagLocation
        Where the DAG file goes, with what was there before.
    beside : iterable of str
        Paths of the DAG files of ours in the same folder.
    api : AirflowApi or None
        The Airflow that will run it, if its address is known.

    Returns
    -------
    list of str
        A paragraph for each thing, in lines of text.

    Raises
    ------
    DeployError
        If Airflow doesn't answer, or refuses the login. What it can't show is left out.
    """
    dag = options.name or deployed_name(plan)
    found = [*_unused_resources(plan), *_second_files(dag, location, beside)]
    changed = changed_steps(location.earlier_text, plan)
    if api is not None:
        found += [*_missing_pools(api, plan, options), *_dag_in_airflow(api, dag, location)]
        if changed:
            found += _runs_in_progress(api, dag, changed)
    elif changed:
        found.append(f"The graph has changed ({_join_names(changed)}): runs in progress may fail at their next step.")
    return found


def paused_advice(api: AirflowApi, dag: str) -> list[str]:
    """Say that a run that was started waits, where its DAG is paused."""
    try:
        shown = api.find_dag(dag)
    except DeployError:
        return []  # the run has started, whatever becomes of this question
    if shown is None or not shown.get("is_paused"):
        return []
    return [f"The DAG {dag} is paused: the run waits until a user unpauses it in Airflow."]


def _join_names(names: Iterable[str]) -> str:
    known = [escape_invisible(name) for name in names]
    return ", ".join(known[:MOST_NAMES]) + (f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else "")


def _unused_resources(plan: FlowPlan) -> list[str]:
    """Return advice on steps whose @resources has no effect: those that run on a plain worker."""
    names = [
        step.name
        for step in plan.steps
        if step.resources is not None and step.batch is None and not _names_worker(step)
    ]
    if not names:
        return []
    return [
        f"@resources has no effect on step{'s' if len(names) > 1 else ''} {_join_names(names)}: "
        "a worker has what it has. \nSteps on AWS Batch (@batch, --with batch) get what they ask for; "
        "@airflow_task(queue=..., executor_config=...) chooses a worker."
    ]


def _names_worker(step: StepPlan) -> bool:
    """Return whether @airflow_task says where the step runs, so that its author has chosen the worker."""
    return any(step.airflow_task.get(name) for name in ("queue", "executor", "executor_config"))


def _second_files(dag: str, location: DagLocation, beside: Iterable[str]) -> list[str]:
    found = []
    for path in beside:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                head = file.readline() + file.readline()
        except OSError:
            continue
        if dag_of(head) == dag and not _same_name(path, location.name):
            found.append(
                f"{escape_invisible(path)} defines the DAG {dag} as well: Airflow shows the one or the "
                "other. Remove one."
            )
    return found


def _same_name(one: str, other: str) -> bool:
    return one.replace("\\", "/").rpartition("/")[2] == other.replace("\\", "/").rpartition("/")[2]


def _missing_pools(api: AirflowApi, plan: FlowPlan, options: AirflowOptions) -> list[str]:
    shared = plan.airflow_dag.default_args
    given = [{"pool": options.worker_pool}, *(step.airflow_task for step in plan.steps)]
    if options.worker_pool is None:
        given.append(shared)
    names = dict.fromkeys(one["pool"] for one in given if one.get("pool"))
    found: list[str] = []
    for name in names:
        try:
            pool = api.find_pool(name)
        except AirflowForbidden as error:
            return [
                f"Whether Airflow has the pool {escape_invisible(name)} isn't known: your role lacks "
                f"{error.permission!r}."
            ]
        except AirflowRefused:
            return found
        if pool is None:
            found.append(
                f"Airflow has no pool {escape_invisible(name)}: tasks in it wait until there is one. Make it in "
                "Airflow under Admin, Pools,\nor with airflow pools set."
            )
    return found


def _dag_in_airflow(api: AirflowApi, dag: str, location: DagLocation) -> list[str]:
    """What Airflow knows of the DAG from an earlier deployment."""
    try:
        shown = api.find_dag(dag)
    except AirflowRefused:
        return []
    if shown is None:
        return []
    found, file = [], str(shown.get("fileloc") or "")
    gone = shown.get("is_stale") if api.line == 3 else shown.get("is_active") is False
    if file and not gone and not _same_name(file, location.name):
        found.append(
            f"Airflow has the DAG {dag} from another file, {escape_invisible(file)}: it will show the one or the "
            "other. Remove one."
        )
    if shown.get("is_paused"):
        found.append(f"The DAG {dag} is paused in Airflow; deploying it changes nothing about that.")
    return found


def _runs_in_progress(api: AirflowApi, dag: str, changed: list[str]) -> list[str]:
    try:
        runs = [str(run["dag_run_id"]) for run in api.dag_runs(dag, ["queued", "running"])]
    except AirflowRefused:
        return []
    if not runs:
        return []
    number = "1 run is" if len(runs) == 1 else f"{len(runs)} runs are"
    return [
        f"The graph has changed ({_join_names(changed)}) while {number} in progress: {_join_names(runs)}.\n"
        "Steps that are new fail in them, and those that are gone don't run: start them again once they have ended."
    ]


def changed_steps(before: str, plan: FlowPlan) -> list[str]:
    """Name the steps that a graph has gained or lost, or that lead elsewhere. Pure; runs no code of the file.

    Parameters
    ----------
    before : str
        The DAG file that was there, or nothing.
    plan : FlowPlan
        The flow as it is now.
    """
    old = _plan_of(before)
    if old is None:
        return []
    then, now = ({step.name: _step_edges(step) for step in each.steps} for each in (old, plan))
    return [name for name in {**then, **now} if then.get(name) != now.get(name)]


def _step_edges(step: StepPlan) -> tuple[Any, ...]:
    return step.kind, step.is_join, step.next, step.scopes, step.back, step.joins


def _plan_of(text: str) -> FlowPlan | None:
    """The plan in a DAG file of ours; None where it can't be read."""
    try:
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "DEPLOYMENT":
                return from_data(ast.literal_eval(statement.value)["plan"])
    except (SyntaxError, ValueError, LookupError, TypeError, RecursionError, MemoryError, FlowSDKError):
        return None
    return None
